// A certified OpenID provider with login and consent pages, set up the way MCP servers need one.
// Environment: PORT (0: any), RESOURCE (the protected resources, by commas), TTL (of access tokens, in seconds).
// Prints "READY <issuer>" once it listens.
import crypto from 'node:crypto'
import http from 'node:http'
import Provider from 'oidc-provider'

const ttl = Number(process.env.TTL ?? 300)
const resources = (process.env.RESOURCE ?? '').split(',').filter(Boolean)
const server = http.createServer()
await new Promise(done => server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', done))
const issuer = `http://127.0.0.1:${server.address().port}`

function signingKey(kid) {
  const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid }
}

function resourceServer(ctx, resource) {
  if (!resources.includes(resource)) {
    throw Object.assign(new Error('invalid_target'), { error: 'invalid_target', statusCode: 400, expose: true })
  }
  return { scope: 'mcp:tools', audience: resource, accessTokenTTL: ttl, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }
}

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'registered',
    client_secret: process.env.CLIENT_SECRET ?? crypto.randomUUID(),
    redirect_uris: [process.env.REDIRECT_URI ?? 'http://localhost:8666/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    application_type: 'native',
  }],
  jwks: { keys: [signingKey('k1')] },
  scopes: ['openid', 'offline_access', 'mcp:tools'],
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  ttl: { AccessToken: ttl, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, IdToken: 3600, AuthorizationCode: 60 },
  cookies: { keys: [crypto.randomUUID()] },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resources[0],
      useGrantedResource: () => true,
      getResourceServerInfo: resourceServer,
    },
  },
})
server.on('request', provider.callback())
console.log('READY', issuer)
