package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// Bounds of a connection to a target.
const (
	dialTimeout       = 5 * time.Second
	tlsTimeout        = 10 * time.Second
	idleTimeout       = 90 * time.Second
	pingAfter         = 15 * time.Second // of silence; also how long the answer may take
	maxAnswerHeader   = 64 << 10
	maxIdlePerProfile = 128
)

// Transport returns the settings of connections made for a profile: to its target and
// to the authorization server behind it. There is no limit on how long an answer takes.
// It fails on an unreadable tls.ca_file and a malformed proxy_url.
func Transport(p profile.Profile) (*http.Transport, error) {
	roots, err := p.TLS.Roots()
	if err != nil {
		return nil, err
	}
	via, err := proxyFunc(p.Proxy)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: pingAfter, Count: 3},
		Control:         boundUnacknowledged,
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		Proxy:                  via,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		TLSHandshakeTimeout:    tlsTimeout,
		Protocols:              protocols,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdlePerProfile,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}, nil
}

// proxyFunc follows proxy_url, else the environment as it is now. Loopback is never
// proxied.
func proxyFunc(proxyURL string) (func(*http.Request) (*url.URL, error), error) {
	config := httpproxy.FromEnvironment()
	if proxyURL != "" {
		u, err := url.Parse(proxyURL)
		if err != nil || u.Host == "" {
			return nil, errors.New("proxy: proxy_url is not a URL with a host")
		}
		config = &httpproxy.Config{HTTPProxy: proxyURL, HTTPSProxy: proxyURL}
	}
	via := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return via(r.URL) }, nil
}

// asleepFor is how far wall clock and running time must drift apart between two
// requests to mean that the computer slept, or was stopped.
const asleepFor = 10 * time.Second

// wake notices that the computer slept: connections left open before that are dead in
// all likelihood, and a request must not be what finds out.
type wake struct {
	born          time.Time
	wall, running atomic.Int64 // nanoseconds since born, at the last request
}

func (k *wake) notice(t *http.Transport) {
	now := time.Now()
	if k.slept(now.Round(0).Sub(k.born.Round(0)), now.Sub(k.born)) {
		t.CloseIdleConnections()
	}
}

func (k *wake) slept(wall, running time.Duration) bool {
	passed := int64(wall) - k.wall.Swap(int64(wall))
	ran := int64(running) - k.running.Swap(int64(running))
	return passed-ran > int64(asleepFor)
}
