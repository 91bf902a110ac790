package oauth

import (
	"net/url"
	"strings"
)

// quirks are what a provider does otherwise than the standards say. Each can be
// overridden in the profile.
type quirks struct {
	noResource bool              // refuses the resource parameter
	params     map[string]string // it issues no refresh token without
}

// quirkTable goes by the host of the issuer, or of a typed authorize_url.
var quirkTable = []struct {
	prefix, suffix string
	quirks
}{
	{"", "login.microsoftonline.com", quirks{noResource: true}},
	{"", "login.microsoftonline.us", quirks{noResource: true}},
	{"", "login.partner.microsoftonline.cn", quirks{noResource: true}},
	{"", "sts.windows.net", quirks{noResource: true}},
	{"", ".ciamlogin.com", quirks{noResource: true}},
	{"", ".b2clogin.com", quirks{noResource: true}},
	{"", "accounts.google.com", quirks{noResource: true, params: map[string]string{"access_type": "offline", "prompt": "consent"}}},
	{"cognito-idp.", ".amazonaws.com", quirks{noResource: true}},
	{"", ".amazoncognito.com", quirks{noResource: true}},
}

func quirksOf(issuer string) quirks {
	u, err := url.Parse(issuer)
	if err != nil {
		return quirks{}
	}
	host := hostKey(u.Hostname())
	for _, q := range quirkTable {
		whole := !strings.HasPrefix(q.suffix, ".")
		if host == q.suffix || !whole && strings.HasPrefix(host, q.prefix) && strings.HasSuffix(host, q.suffix) {
			return q.quirks
		}
	}
	return quirks{}
}
