package profile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxRoots bounds a ca_file, in bytes; a system's own bundle has a quarter of a MiB.
const maxRoots = 8 << 20

// Roots are the certificates that connections of the profile trust: the system's and those
// of ca_file. Nil stands for the system's alone. It fails on a ca_file that is no readable
// file of PEM certificates; its errors name the file and what is wrong with it.
func (t TLS) Roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	pem, err := readRoots(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file %s %w", t.CAFile, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.ca_file %s holds no PEM certificate", t.CAFile)
	}
	return pool, nil
}

func readRoots(file string) ([]byte, error) {
	info, err := os.Stat(file) // before it is opened: opening a pipe would wait for its other end
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("does not exist")
	case err != nil:
		return nil, cannotBeRead(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxRoots:
		return nil, errors.New("is too large for a file of certificates")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, cannotBeRead(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRoots))
	if err != nil {
		return nil, cannotBeRead(err)
	}
	return data, nil
}

func cannotBeRead(err error) error { return fmt.Errorf("cannot be read: %w", causeOf(err)) }
