// node-oidc-provider with rotation, in a process of its own: told what to be as one line of JSON on standard input, it
// says its port. Time is the machine's plus the seconds in a file, for the process as a whole: the library's Date.now,
// the `new Date()` of what signs for it, and the Date header of its answers.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const told = JSON.parse((await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()).value)
const MachineDate = Date
const now = () => MachineDate.now() + 1000 * Number(readFileSync(told.clock, 'ascii'))
globalThis.Date = class extends MachineDate {
  constructor(...parts) {
    super(...(parts.length ? parts : [now()]))
  }

  static now() {
    return now()
  }
}

const { generateKeyPair, exportJWK } = await import('jose')
const { default: Provider } = await import('oidc-provider')

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const registered = {
  redirect_uris: [told.redirect_uri],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  id_token_signed_response_alg: 'ES256',
}
const provider = new Provider(told.issuer, {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' }] },
  clients: [
    { ...registered, client_id: told.client_id, client_secret: told.client_secret },
    {
      ...registered,
      client_id: told.key.kid,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: told.key.alg,
      jwks: { keys: [told.key] },
    },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  ttl: { AccessToken: 3600, IdToken: 3600, RefreshToken: 14 * 86400, Grant: 14 * 86400 },
  cookies: { keys: ['of one test run'] },
})
provider.use((ctx, next) => {
  ctx.set('Date', new Date().toUTCString())
  return next()
})
provider.on('server_error', (ctx, error) => console.error(error))

const server = provider.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))
