// oauth4webapi with DPoP (RFC 9449): the issuer, its UserInfo endpoint, and an API that verifies with evergrant.resource.
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { HOUR, check, finish, pass, refused, same, world } from './checks.mjs'
import { Person } from './person.mjs'

const own = world.client
const insecure = { [oauth.allowInsecureRequests]: true } // loopback without TLS
const client = { client_id: own.id, id_token_signed_response_alg: own.alg }
const authentication = own.secret ? oauth.ClientSecretBasic(own.secret) : oauth.None()
const server = await oauth.processDiscoveryResponse(
  new URL(world.issuer),
  await oauth.discoveryRequest(new URL(world.issuer), insecure),
)
const keys = () => oauth.generateKeyPair(world.dpopAlg)
const keyPair = await keys()
const handle = oauth.DPoP(client, keyPair)
const stranger = oauth.DPoP(client, await keys())

// One request, once more with the nonce that its refusal brought; how often it was challenged is counted.
let challenges = 0
async function proving(work) {
  try {
    return await work()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    challenges += 1
    return work()
  }
}

async function signsIn(proof, parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(server.authorization_endpoint)
  const sent = {
    client_id: own.id, redirect_uri: own.redirect_uri, response_type: 'code', resource: world.api, state,
    scope: 'openid email offline_access notes:read', code_challenge_method: 'S256',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), ...parameters,
  } // prettier-ignore
  for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value)
  const callback = oauth.validateAuthResponse(server, client, await new Person().goes(url), state)
  return proving(async () =>
    oauth.processAuthorizationCodeResponse(
      server, client,
      await oauth.authorizationCodeGrantRequest(
        server, client, authentication, callback, own.redirect_uri, verifier, { DPoP: proof, ...insecure },
      ),
    ),
  ) // prettier-ignore
}

const refresh = (token, proof = handle) =>
  proving(async () =>
    oauth.processRefreshTokenResponse(
      server, client,
      await oauth.refreshTokenGrantRequest(server, client, authentication, token, { DPoP: proof, ...insecure }),
    ),
  ) // prettier-ignore

const userinfo = (tokens, proof = handle) =>
  proving(async () =>
    oauth.processUserInfoResponse(
      server, client, oauth.skipSubjectCheck,
      await oauth.userInfoRequest(server, client, tokens.access_token, { DPoP: proof, ...insecure }),
    ),
  ) // prettier-ignore

const calls = (tokens, proof = handle) =>
  proving(() =>
    oauth.protectedResourceRequest(
      tokens.access_token, 'GET', new URL(`${world.resource}/notes?page=1`), undefined, undefined,
      { DPoP: proof, ...insecure },
    ),
  ) // prettier-ignore

const claimsOf = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString())

async function challenged(promise) {
  const error = await promise.then(() => assert.fail('expected a refusal'), (reason) => reason)
  assert.equal(error.status, 401)
  return error.cause.map((each) => [each.scheme, each.parameters.error])
}

await check('the metadata names the algorithm', async () => {
  assert.ok(server.dpop_signing_alg_values_supported.includes(world.dpopAlg))
})

let tokens
await check('a code becomes tokens of the type DPoP that name the key', async () => {
  tokens = await signsIn(handle)
  assert.equal(tokens.token_type, 'dpop')
  assert.deepEqual(claimsOf(tokens.access_token).cnf, { jkt: await handle.calculateThumbprint() })
  assert.equal(challenges > 0, world.nonces, 'a nonce is asked for exactly where the server demands one')
})

await check('userinfo and the API take the token with a proof, and follow their own nonces', async () => {
  assert.equal((await userinfo(tokens)).email, world.person)
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await (await calls(tokens)).json()).jkt, await handle.calculateThumbprint())
    pass(150)
  }
})

await check('without the key the token is worth nothing, at either', async () => {
  tokens = await refresh(tokens.refresh_token)
  assert.deepEqual(await challenged(userinfo(tokens, stranger)), [['dpop', 'invalid_dpop_proof']])
  const schemes = await challenged(calls(tokens, stranger))
  assert.ok(schemes.some(([scheme]) => scheme === 'dpop'), JSON.stringify(schemes))
  for (const url of [server.userinfo_endpoint, `${world.resource}/notes`]) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${tokens.access_token}` } })
    assert.equal(answer.status, 401)
    assert.match(answer.headers.get('www-authenticate'), /(^|, )DPoP /)
  }
})

await check('a day of refreshing, two tabs and lost replies included', async () => {
  for (let round = 0; round < 8; round += 1) {
    pass(3 * HOUR)
    const both = await Promise.all([refresh(tokens.refresh_token), refresh(tokens.refresh_token)])
    same(both.map((each) => each.refresh_token))
    tokens = both[1]
    assert.equal((await calls(tokens)).status, 200)
  }
})

await check('another key refreshes nothing for a public client, and another access token for a confidential one', async () => {
  if (own.secret) {
    tokens = await refresh(tokens.refresh_token, stranger)
    assert.deepEqual(claimsOf(tokens.access_token).cnf, { jkt: await stranger.calculateThumbprint() })
    assert.equal((await calls(tokens, stranger)).status, 200)
  } else {
    await refused('invalid_grant', refresh(tokens.refresh_token, stranger))
  }
  tokens = await refresh(tokens.refresh_token)
  assert.equal((await calls(tokens)).status, 200)
})

await check('a code that was asked for with dpop_jkt is redeemed by that key alone', async () => {
  const named = { dpop_jkt: await handle.calculateThumbprint() }
  await refused('invalid_grant', signsIn(stranger, named))
  assert.equal((await signsIn(handle, named)).token_type, 'dpop')
})

finish()
