// openid-client with DPoP (RFC 9449), which asks again for a nonce by itself: sign in, refresh for a day, UserInfo.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { HOUR, check, finish, pass, refused, world } from './checks.mjs'
import { Person } from './person.mjs'

const own = world.client
const authentication = own.secret ? client.ClientSecretBasic(own.secret) : client.None()
const config = await client.discovery(
  new URL(world.issuer), own.id, { id_token_signed_response_alg: own.alg }, authentication,
  { execute: [client.allowInsecureRequests] },
) // prettier-ignore
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(world.dpopAlg))
const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair(world.dpopAlg))

let tokens
await check('a code with dpop_jkt becomes tokens of the type DPoP', async () => {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: own.redirect_uri, scope: 'openid email offline_access', state, code_challenge_method: 'S256',
    code_challenge: await client.calculatePKCECodeChallenge(verifier), dpop_jkt: await DPoP.calculateThumbprint(),
  }) // prettier-ignore
  const callback = await new Person().goes(url)
  const checks = { pkceCodeVerifier: verifier, expectedState: state }
  tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP })
  assert.equal(tokens.token_type, 'dpop')
})

await check('refreshes and UserInfo go on for a day', async () => {
  for (let round = 0; round < 8; round += 1) {
    pass(3 * HOUR)
    tokens = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    assert.equal(tokens.token_type, 'dpop')
    const told = await client.fetchUserInfo(config, tokens.access_token, client.skipSubjectCheck, { DPoP })
    assert.equal(told.email, world.person)
  }
})

await check('another key gets nothing from a bound refresh token, and the token lives on', async () => {
  const tried = client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: stranger })
  if (own.secret) assert.equal((await tried).token_type, 'dpop')
  else await refused('invalid_grant', tried)
  tokens = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
})

finish()
