package stdio

import (
	"context"
	"slices"
	"strings"
)

// latestSession is the newest protocol with sessions; modernVersion is the first
// without.
const (
	latestSession = "2025-11-25"
	modernVersion = "2026-07-28"
)

var sessionVersions = []string{latestSession, "2025-06-18", "2025-03-26", "2024-11-05"}

// promised are the capabilities a client is told of while the server cannot be asked.
// They have to stay true: what the server then lacks is answered here, see keep.
const promised = `{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"prompts":{"listChanged":true},"logging":{},"completions":{}}`

// empty are the results of a server that has nothing: method → members.
var empty = map[string]string{
	methodTools:                `"tools":[]`,
	"resources/list":           `"resources":[]`,
	"resources/templates/list": `"resourceTemplates":[]`,
	methodSubscribe:            ``,
	methodUnsubscribe:          ``,
	"prompts/list":             `"prompts":[]`,
	methodSetLevel:             ``,
	"completion/complete":      `"completion":{"values":[]}`,
}

// toolName is the one tool a client is offered meanwhile.
func (b *Bridge) toolName() string { return "sign_in_to_" + b.name }

// answerHere answers a request without the server, if that is what there is to do.
func (b *Bridge) answerHere(c *call, at place) bool {
	if !at.offline {
		return b.answerSignedIn(c)
	}
	if c.kind == batch || at.endpoint.State == Unknown {
		b.refuse(c, at.endpoint)
		return true
	}
	if b.wanted != nil && b.wants(c) {
		b.wanted()
	}
	switch c.method {
	case methodInitialize, methodDiscover:
		b.meet(c, at.endpoint)
	case "ping":
		b.result(c, "")
	case methodTools:
		b.client.offer()
		b.result(c, `"tools":[`+b.tool(at.endpoint)+`]`)
	case methodCall:
		if text(c.param("name")) != b.toolName() {
			b.refuse(c, at.endpoint)
			return true
		}
		b.signIn(c, at.endpoint)
	case methodListen:
		return false
	default:
		nothing, known := empty[c.method]
		if !known {
			b.refuse(c, at.endpoint)
			return true
		}
		b.client.remember(c.message)
		b.result(c, nothing)
	}
	return true
}

// wants reports whether a request that is answered here is one for the server.
func (b *Bridge) wants(c *call) bool {
	switch c.method {
	case methodInitialize, methodDiscover, "ping", methodListen:
		return false
	case methodCall:
		return text(c.param("name")) != b.toolName()
	}
	return true
}

// answerSignedIn answers a client that still knows the sign-in tool.
func (b *Bridge) answerSignedIn(c *call) bool {
	if c.method != methodCall || !b.client.wasOffered() || text(c.param("name")) != b.toolName() {
		return false
	}
	b.says(c, b.name+" is signed in. List the tools again to see what it offers.", false)
	return true
}

// keep replaces a server's "no such method" where it would break what only the bridge
// promised.
func (b *Bridge) keep(c *call, line []byte) []byte {
	nothing, ok := empty[c.method]
	if !ok || errorCode(line) != codeNoMethod || !b.client.wasPromised() {
		return line
	}
	return resultLine(c, nothing)
}

// meet answers initialize and server/discover.
func (b *Bridge) meet(c *call, e Endpoint) {
	info := `{"name":"mcpauth-tray","title":` + quoted("mcpauth-tray: "+b.name) + `,"version":` + quoted(b.version) + `}`
	tells := `"instructions":` + quoted(sentence(e.Says, e.Action)+" The tool "+b.toolName()+" helps, or says what is missing; afterwards this server has its own tools.")
	if c.method == methodDiscover {
		versions := append([]string{modernVersion}, sessionVersions...)
		b.result(c, `"supportedVersions":["`+strings.Join(versions, `","`)+`"],"capabilities":`+promised+`,`+tells+`,"_meta":{"io.modelcontextprotocol/serverInfo":`+info+`}`)
		return
	}
	version := text(c.param("protocolVersion"))
	if !slices.Contains(sessionVersions, version) {
		version = latestSession
	}
	b.client.promise(c.raw)
	b.result(c, `"protocolVersion":"`+version+`","capabilities":`+promised+`,"serverInfo":`+info+`,`+tells)
}

func (b *Bridge) tool(e Endpoint) string {
	title := "Sign in to " + b.name
	if e.State == down {
		title = "Try " + b.name + " again"
	}
	return `{"name":` + quoted(b.toolName()) + `,"title":` + quoted(title) +
		`,"description":` + quoted(sentence(e.Says, e.Action)+" "+e.does()) +
		`,"inputSchema":{"type":"object","properties":{},"additionalProperties":false}` +
		`,"annotations":{"readOnlyHint":false,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`
}

// does is what the tool does in the state that e is.
func (e Endpoint) does() string {
	switch {
	case e.State == down:
		return "This tool tries it again."
	case e.State == Absent:
		return "Until it runs, this tool can only say so; then it starts the sign-in, if one is needed."
	case e.Helps != "":
		return e.Helps
	}
	return "This tool starts the sign-in: a page opens in the browser of the person at this computer, who confirms there."
}

// signIn answers a call of the sign-in tool.
func (b *Bridge) signIn(c *call, e Endpoint) {
	c.local.Store(true)
	if e.State == down {
		b.tryAgain(c)
		return
	}
	says, done, err := b.upstream.SignIn(c.ctx)
	switch {
	case err != nil:
		b.says(c, err.Error(), true)
	case !done:
		b.says(c, says, false)
	case b.arrives(c.ctx):
		b.says(c, says+" Its tools are there now; list the tools again.", false)
	default:
		b.says(c, says+" Its tools appear by themselves when the server answers.", false)
	}
}

// arrives waits for requests to go to the server, and says whether they do.
func (b *Bridge) arrives(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, returnTime)
	defer cancel()
	_, err := b.link.awaitOnline(ctx)
	return err == nil
}

// tryAgain answers a call of the tool where no sign-in is wanting.
func (b *Bridge) tryAgain(c *call) {
	select {
	case b.link.nudge <- struct{}{}:
	default:
	}
	if b.arrives(c.ctx) {
		b.says(c, b.name+" is there. List the tools again to see what it offers.", false)
		return
	}
	at, err := b.link.await(c.ctx)
	if err != nil {
		b.calls.drop(c)
		return
	}
	b.says(c, sentence(at.endpoint.Says, at.endpoint.Action)+" It is tried again by itself; its tools appear when it works.", true)
}

// says answers a tool's call with a text.
func (b *Bridge) says(c *call, what string, failed bool) {
	isError := "false"
	if failed {
		isError = "true"
	}
	b.result(c, `"content":[{"type":"text","text":`+quoted(what)+`}],"isError":`+isError)
}

// result answers with the members of a result.
func (b *Bridge) result(c *call, result string) { b.reply(c.id, resultLine(c, result)) }

func resultLine(c *call, result string) []byte {
	if c.modern() {
		if result != "" {
			result += ","
		}
		result += resultMembers(c.method)
	}
	return []byte(`{"jsonrpc":"2.0","id":` + string(c.id) + `,"result":{` + result + `}}`)
}

// resultMembers are those of every result of protocol 2026-07-28, and of those that a
// client may keep ("Caching").
func resultMembers(method string) string {
	if kept[method] {
		return `"resultType":"complete","ttlMs":0,"cacheScope":"private"`
	}
	return `"resultType":"complete"`
}

var kept = map[string]bool{
	methodDiscover: true, methodTools: true, "prompts/list": true, "resources/list": true, "resources/templates/list": true, "resources/read": true,
}

// refuse answers what has to wait for the server.
func (b *Bridge) refuse(c *call, e Endpoint) {
	f := failure{code: e.Code, says: e.Says, action: e.Action, reason: e.Reason}
	for _, id := range b.calls.unanswered(c) {
		b.reply(id, f.answer(b.name, id))
	}
}
