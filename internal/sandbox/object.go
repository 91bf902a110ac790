package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		v, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(m.name)
		b.Write(name)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// with returns o with members replaced, added or removed.
func (o object) with(f fields) object {
	out := slices.DeleteFunc(slices.Clone(o), func(m member) bool { return f[m.name] == Absent })
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if f[name] == Absent {
			continue
		}
		v := json.RawMessage(f[name])
		if i := slices.IndexFunc(out, func(m member) bool { return m.name == name }); i >= 0 {
			out[i].value = v
		} else {
			out = append(out, member{name, v})
		}
	}
	return out
}

// document answers o, changed by the faults in force for k.
func (s *Sandbox) document(w http.ResponseWriter, k Kind, status int, o object) {
	o = o.with(s.faults.Load().fields[k])
	body, err := json.Marshal(o)
	if err != nil {
		http.Error(w, "a value given to Faults.Field is not JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if status != http.StatusOK || k != KindMetadata && k != KindPRM && k != KindJWKS {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// oauthError is an error by the book (RFC 6749 §5.2).
type oauthError struct {
	status int
	name   string
	text   string
}

func (e *oauthError) Error() string { return e.name + ": " + e.text }

func refuse(name, text string) *oauthError { return &oauthError{http.StatusBadRequest, name, text} }

func (e *oauthError) send(w http.ResponseWriter) {
	body, _ := json.Marshal(object{{"error", e.name}, {"error_description", e.text}})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.status)
	_, _ = w.Write(append(body, '\n'))
}
