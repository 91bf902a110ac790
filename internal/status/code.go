package status

// Code is a stable name for what is wrong. Faces show it, scripts match on it.
type Code string

const (
	NotSignedIn         Code = "not_signed_in"
	SignInRunning       Code = "sign_in_running"
	SignInFailed        Code = "sign_in_failed"
	SecretStoreLocked   Code = "secret_store_locked"
	SecretStoreAbsent   Code = "secret_store_absent"
	IDPUnavailable      Code = "idp_unavailable"
	ProviderRefused     Code = "provider_refused" // a configuration error, seen by the provider
	CredentialsRejected Code = "credentials_rejected"
	SignInUnsaved       Code = "sign_in_unsaved"

	UpstreamUnreachable Code = "upstream_unreachable"
	UpstreamTimeout     Code = "upstream_timeout"
	UpstreamBadResponse Code = "upstream_bad_response"

	ProfileError Code = "profile_error"
	ListenFailed Code = "listen_failed"
	Disabled     Code = "disabled"
	PausedByUser Code = "paused"
	ShuttingDown Code = "shutting_down"
	Busy         Code = "busy"

	HostNotAllowed   Code = "host_not_allowed"
	OriginNotAllowed Code = "origin_not_allowed"
	PeerNotAllowed   Code = "peer_not_allowed"
	BadRequest       Code = "bad_request"
	NotFound         Code = "not_found"
	MethodNotAllowed Code = "method_not_allowed"
	BadContentType   Code = "bad_content_type"
	BodyTooLarge     Code = "body_too_large"
)

// rpc numbers lie outside the range JSON-RPC and MCP reserve
// (MCP 2026-07-28, basic, "Error Codes").
var rpc = map[Code]int{
	NotSignedIn: 31001, SignInRunning: 31002, SecretStoreLocked: 31003, IDPUnavailable: 31004,
	UpstreamUnreachable: 31005, UpstreamTimeout: 31006, UpstreamBadResponse: 31007,
	ProfileError: 31008, CredentialsRejected: 31014, SecretStoreAbsent: 31015,
	SignInFailed: 31016, ProviderRefused: 31017, ShuttingDown: 31018, Busy: 31019,
	HostNotAllowed: 31020, OriginNotAllowed: 31021, PeerNotAllowed: 31022, BadRequest: 31023,
	NotFound: 31024, MethodNotAllowed: 31025, BadContentType: 31026, BodyTooLarge: 31027,
	ListenFailed: 31028, Disabled: 31029, PausedByUser: 31030, SignInUnsaved: 31031,
}

// RPC is the JSON-RPC error code of c, 31099 for a code without its own.
func (c Code) RPC() int {
	if n, ok := rpc[c]; ok {
		return n
	}
	return 31099
}
