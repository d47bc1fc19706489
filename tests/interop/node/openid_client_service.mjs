// openid-client as a service without people: client credentials.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { MINUTE, check, finish, pass, refused, unauthenticated, world } from './checks.mjs'

const own = world.client
const authentication = own.auth_method === 'client_secret_basic' ? client.ClientSecretBasic : client.ClientSecretPost
const configured = (secret) =>
  client.discovery(new URL(world.issuer), own.id, undefined, authentication(secret), {
    execute: [client.allowInsecureRequests],
  })

const config = await configured(own.secret)
const grant = (parameters) => client.clientCredentialsGrant(config, parameters)
const ask = (text) => client.tokenIntrospection(config, text)

let tokens
await check('client credentials give an access token and nothing else', async () => {
  tokens = await grant({ scope: 'notes:read', resource: world.api })
  assert.deepEqual([tokens.scope, tokens.refresh_token, tokens.id_token], ['notes:read', undefined, undefined])
})

await check('its access token is the client’s own at introspection, until it is over', async () => {
  const told = await ask(tokens.access_token)
  assert.deepEqual([told.active, told.sub, told.client_id, told.aud], [true, own.id, own.id, world.api])
  pass(11 * MINUTE)
  assert.deepEqual(await ask(tokens.access_token), { active: false })
})

await check('an opaque access token is as good', async () => {
  tokens = await grant({ resource: world.opaqueApi })
  assert.equal((await ask(tokens.access_token)).active, true)
  await client.tokenRevocation(config, tokens.access_token)
  assert.deepEqual(await ask(tokens.access_token), { active: false })
})

await check('what it may not have is refused: scopes of people, unknown resources', async () => {
  await refused('invalid_scope', grant({ scope: 'openid' }))
  await refused('invalid_scope', grant({ scope: 'notes:everything' }))
  await refused('invalid_target', grant({ resource: 'https://elsewhere.example/' }))
})

await check('a wrong secret is refused, in the header with a challenge', async () => {
  const wrong = client.clientCredentialsGrant(await configured(`${own.secret.slice(0, -1)}~`), { scope: 'notes:read' })
  await (own.auth_method === 'client_secret_basic' ? unauthenticated(wrong) : refused('invalid_client', wrong))
})

finish()
