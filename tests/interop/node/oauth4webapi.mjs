// oauth4webapi (https://github.com/panva/oauth4webapi): every answer through its strict validation, one by one.
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { HOUR, MINUTE, check, distinct, finish, pass, record, refused, same, unauthenticated, world } from './checks.mjs'
import { Person } from './person.mjs'

const own = world.client
const insecure = { [oauth.allowInsecureRequests]: true } // loopback without TLS
const client = { client_id: own.id, id_token_signed_response_alg: own.alg, require_auth_time: true }
const authentication = {
  none: () => oauth.None(),
  client_secret_basic: () => oauth.ClientSecretBasic(own.secret),
  client_secret_post: () => oauth.ClientSecretPost(own.secret),
}[own.auth_method]()
const confidential = own.auth_method !== 'none'
const SCOPE = 'openid profile email offline_access notes:read notes:write'
const issuer = new URL(world.issuer)

let server
await check('both discovery documents are valid, and the same', async () => {
  const [oidc, oauth2] = await Promise.all(
    ['oidc', 'oauth2'].map(async (algorithm) => {
      const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
      return oauth.processDiscoveryResponse(issuer, response)
    }),
  )
  assert.deepEqual(oidc, oauth2)
  server = oidc
})

// An authorization request and the address it came back to.
async function asks(person, parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const sent = {
    client_id: own.id,
    redirect_uri: own.redirect_uri,
    response_type: 'code',
    scope: SCOPE,
    resource: world.api,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    max_age: '86400',
    ...parameters,
  }
  const url = new URL(server.authorization_endpoint)
  for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value)
  return { callback: await person.goes(url), verifier, sent }
}

async function redeems({ callback, verifier, sent }) {
  const parameters = oauth.validateAuthResponse(server, client, callback, sent.state)
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, authentication, parameters, own.redirect_uri, verifier, insecure,
  ) // prettier-ignore
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
    expectedNonce: sent.nonce,
    maxAge: Number(sent.max_age),
    requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(server, response, insecure)
  return tokens
}

const signsIn = async (person, parameters) => redeems(await asks(person, parameters))

const sends = (token, parameters = {}) =>
  oauth.refreshTokenGrantRequest(server, client, authentication, token, {
    additionalParameters: parameters,
    ...insecure,
  })

async function refresh(token, parameters) {
  const response = await sends(token, parameters)
  const tokens = await oauth.processRefreshTokenResponse(server, client, response)
  if (tokens.id_token) await oauth.validateApplicationLevelSignature(server, response, insecure)
  return tokens
}

async function revoke(token) {
  const response = await oauth.revocationRequest(server, client, authentication, token, insecure)
  return oauth.processRevocationResponse(response)
}

async function introspect(token) {
  const response = await oauth.introspectionRequest(server, client, authentication, token, insecure)
  return oauth.processIntrospectionResponse(server, client, response)
}

async function userinfo(tokens, subject) {
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
  return oauth.processUserInfoResponse(server, client, subject, response)
}

// What an API does with a token that arrives, by RFC 9068 and our key set alone.
function accepted(token, audience) {
  const request = new Request('https://api.example.com/v1/notes', { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(server, request, audience, insecure)
}

async function challenged(status, promise) {
  const error = await promise.then(() => assert.fail('expected a refusal'), (reason) => reason)
  assert.equal(error.status, status)
  return error.cause[0].parameters.error
}

const ada = new Person()
let tokens
let subject
await check('the authorization answer is valid: state, iss and nothing twice', async () => {
  const asked = await asks(ada)
  for (const [name, value] of [['iss', 'https://elsewhere.example'], ['state', 'another'], ['iss', '']]) {
    const changed = new URL(asked.callback)
    if (value) changed.searchParams.set(name, value)
    else changed.searchParams.delete(name)
    assert.throws(() => oauth.validateAuthResponse(server, client, changed, asked.sent.state), `${name} = ${value}`)
  }
  tokens = await redeems(asked)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  subject = claims.sub
  assert.equal(claims.nonce, asked.sent.nonce)
  assert.ok(Date.now() / 1000 - claims.auth_time < MINUTE)
})

await check('an access token is one by RFC 9068, for the API that was asked for and no other', async () => {
  const claims = await accepted(tokens.access_token, world.api)
  assert.deepEqual([claims.sub, claims.client_id, claims.iss], [subject, own.id, world.issuer])
  assert.equal(claims.scope.includes('notes:read'), true)
  await assert.rejects(accepted(tokens.access_token, 'https://elsewhere.example/'))
  await assert.rejects(accepted(tokens.id_token, own.id), 'an ID token is no access token')
  pass(11 * MINUTE)
  await assert.rejects(accepted(tokens.access_token, world.api), 'its ten minutes are over')
})

await check('the wrong verifier, a foreign code and a second use are invalid_grant', async () => {
  const guessed = await asks(ada)
  await refused('invalid_grant', redeems({ ...guessed, verifier: oauth.generateRandomCodeVerifier() }))
  const asked = await asks(ada)
  const other = new URLSearchParams({ code: `egc_${'A'.repeat(43)}`, state: asked.sent.state, iss: world.issuer })
  await refused('invalid_grant', redeems({ ...asked, callback: other }))
  const first = await redeems(asked)
  await refused('invalid_grant', redeems({ ...asked, verifier: oauth.generateRandomCodeVerifier() }))
  tokens = await refresh(first.refresh_token) // a replay without the verifier harms nobody
})

await check('nobody is logged out in a day of refreshing, two tabs and lost replies included', async () => {
  for (let round = 0; round < 12; round += 1) {
    pass(2 * HOUR)
    const before = tokens
    const tabs = [sends(before.refresh_token), sends(before.refresh_token)]
    if (round % 3 === 0) await (await tabs[0]).body.cancel() // its reply never arrives
    const kept = await oauth.processRefreshTokenResponse(server, client, await tabs[1])
    assert.equal(oauth.getValidatedIdTokenClaims(kept).sub, subject)
    await accepted(kept.access_token, world.api)
    tokens = kept
  }
})

await check('thirty-two refreshes at once are all answered, with one successor', async () => {
  const all = await Promise.all(Array.from({ length: 32 }, () => refresh(tokens.refresh_token)))
  same(all.map((each) => each.refresh_token))
  distinct(all.map((each) => each.access_token))
  distinct(all.map((each) => each.id_token))
  tokens = await refresh(all[31].refresh_token)
  for (const each of all) await accepted(each.access_token, world.api)
})

await check('the answer says what is left of the sign-in', async () => {
  const earlier = tokens
  pass(HOUR)
  tokens = await refresh(tokens.refresh_token)
  assert.ok(Number.isInteger(tokens.refresh_token_timeout) && tokens.refresh_token_timeout > HOUR)
  const spent = earlier.authorization_expires_in - tokens.authorization_expires_in
  assert.ok(spent >= HOUR && spent < HOUR + MINUTE, `${spent}`)
  assert.ok(tokens.refresh_token_timeout <= tokens.authorization_expires_in)
})

await check('a refresh with a wrong secret, or of another client, harms nothing', async () => {
  const stranger = { client_id: world.other.id }
  const foreign = await oauth.refreshTokenGrantRequest(server, stranger, oauth.None(), tokens.refresh_token, insecure)
  await refused('invalid_grant', oauth.processRefreshTokenResponse(server, stranger, foreign))
  if (confidential) {
    const bare = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token, insecure)
    await refused('invalid_client', oauth.processRefreshTokenResponse(server, client, bare))
  }
  tokens = await refresh(tokens.refresh_token)
})

await check('a successor is refused to the predecessor of its predecessor, and the family ends', async () => {
  const first = await signsIn(new Person())
  const second = await refresh(first.refresh_token)
  const third = await refresh(second.refresh_token)
  await refused('invalid_grant', refresh(first.refresh_token)) // at once: only one generation is tolerated
  await refused('invalid_grant', refresh(second.refresh_token))
  await refused('invalid_grant', refresh(third.refresh_token))
  assert.equal(await challenged(401, userinfo(third, subject)), 'invalid_token')
})

await check('a spent token outside its overlap is invalid_grant for both who hold it', async () => {
  const stolen = await signsIn(new Person())
  let owned = await refresh(stolen.refresh_token)
  pass(confidential ? 25 * HOUR : 2 * MINUTE)
  if (confidential) owned = await refresh(owned.refresh_token)
  const error = await refused('invalid_grant', refresh(stolen.refresh_token))
  assert.equal(error.status, 400)
  assert.ok(!error.error_description.includes('egr_'))
  await refused('invalid_grant', refresh(owned.refresh_token))
})

await check('introspection answers by RFC 7662, to clients with a secret', async () => {
  if (!confidential) {
    const response = await oauth.introspectionRequest(server, client, authentication, tokens.access_token, insecure)
    await unauthenticated(oauth.processIntrospectionResponse(server, client, response))
    return
  }
  tokens = await refresh(tokens.refresh_token)
  const said = await introspect(tokens.access_token)
  assert.deepEqual([said.active, said.sub, said.username, said.token_type], [true, subject, world.person, 'Bearer'])
  assert.equal((await introspect(tokens.refresh_token)).active, true)
  assert.deepEqual(await introspect('nonsense'), { active: false })
})

await check('userinfo answers for the subject that was expected', async () => {
  tokens = await refresh(tokens.refresh_token)
  assert.equal((await userinfo(tokens, subject)).email, world.person)
  await assert.rejects(userinfo(tokens, 'usr_somebodyelse'))
})

await check('revocation answers by RFC 7009, and means it', async () => {
  tokens = await refresh(tokens.refresh_token)
  await revoke(tokens.refresh_token)
  await revoke(tokens.refresh_token)
  await revoke('egr_nonsense')
  await refused('invalid_grant', refresh(tokens.refresh_token))
  assert.equal(await challenged(401, userinfo(tokens, subject)), 'invalid_token')
  if (confidential) assert.deepEqual(await introspect(tokens.access_token), { active: false })
})

await check('a refresh that races a revocation leaves nothing alive', async () => {
  for (let round = 0; round < 6; round += 1) {
    const held = await signsIn(ada)
    const [answer] = await Promise.all([
      refresh(held.refresh_token).catch((error) => error),
      revoke(held.refresh_token),
      refresh(held.refresh_token).catch((error) => error),
    ])
    await refused('invalid_grant', refresh(answer.refresh_token ?? held.refresh_token))
    if (answer.access_token) await challenged(401, userinfo(answer, subject))
  }
})

await check('a scope that nobody has heard of is left out, and the answer says so', async () => {
  const held = await signsIn(ada, { scope: 'openid notes:everything notes:read' })
  assert.equal(held.scope, 'notes:read openid')
})

await check('errors of the authorization endpoint arrive with state and iss', async () => {
  for (const [parameters, code] of [
    [{ prompt: 'none' }, 'login_required'],
    [{ resource: 'https://elsewhere.example/' }, 'invalid_target'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
  ]) {
    const { callback, sent } = await asks(new Person(), parameters)
    record(callback.href)
    assert.throws(
      () => oauth.validateAuthResponse(server, client, callback, sent.state),
      (error) => error.code === oauth.AUTHORIZATION_RESPONSE_ERROR && error.error === code,
      code,
    )
  }
})

finish()
