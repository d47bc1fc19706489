// openid-client (https://github.com/panva/openid-client) as one registered client, from discovery to signing out.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { HOUR, MINUTE, check, distinct, finish, pass, refused, same, unauthenticated, world } from './checks.mjs'
import { Person } from './person.mjs'

const own = world.client
const authentication = {
  none: () => client.None(),
  client_secret_basic: () => client.ClientSecretBasic(own.secret),
  client_secret_post: () => client.ClientSecretPost(own.secret),
}[own.auth_method]()
const confidential = own.auth_method !== 'none'
const OFFLINE = 'openid profile email offline_access notes:read notes:write'

let config
await check('discovery names the issuer, and everything openid-client asks for later', async () => {
  config = await client.discovery(
    new URL(world.issuer),
    own.id,
    { id_token_signed_response_alg: own.alg },
    authentication,
    { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
  )
  const server = config.serverMetadata()
  assert.equal(server.issuer, world.issuer)
  assert.ok(server.supportsPKCE())
  assert.ok(server.id_token_signing_alg_values_supported.includes(own.alg))
  assert.ok(server.token_endpoint_auth_methods_supported.includes(own.auth_method))
  const plain = await client.discovery(new URL(world.issuer), own.id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })
  assert.deepEqual({ ...plain.serverMetadata() }, { ...server })
})

async function asks(person, parameters = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  }
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: own.redirect_uri,
    scope: OFFLINE,
    resource: world.api,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...parameters,
  })
  return { callback: await person.goes(url), checks }
}

async function signsIn(person, parameters) {
  const { callback, checks } = await asks(person, parameters)
  return client.authorizationCodeGrant(config, callback, checks)
}

const refresh = (token, parameters) => client.refreshTokenGrant(config, token, parameters)
const userinfo = (tokens, subject) => client.fetchUserInfo(config, tokens.access_token, subject)
const revoke = (token) => client.tokenRevocation(config, token)

const ada = new Person()
let tokens
let subject
let signedInAt
await check('a code with PKCE, state, nonce and iss becomes tokens; each of them guards the answer', async () => {
  const { callback, checks } = await asks(ada)
  for (const [name, value] of [['iss', 'https://elsewhere.example'], ['state', 'another'], ['iss', null]]) {
    const changed = new URL(callback)
    if (value === null) changed.searchParams.delete(name)
    else changed.searchParams.set(name, value)
    await assert.rejects(client.authorizationCodeGrant(config, changed, checks), `${name} = ${value}`)
  }
  tokens = await client.authorizationCodeGrant(config, callback, checks)
  assert.equal(tokens.token_type, 'bearer')
  assert.ok(tokens.expiresIn() > 0 && tokens.expiresIn() <= 10 * MINUTE)
})

await check('the ID token holds, signed as registered', async () => {
  const claims = tokens.claims()
  subject = claims.sub
  signedInAt = claims.auth_time
  assert.equal(claims.aud, own.id)
  assert.notEqual(subject, own.id)
  assert.deepEqual(claims.amr, ['pwd'])
  const header = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url'))
  assert.equal(header.alg, own.alg)
})

await check('userinfo tells about the person in the ID token', async () => {
  const told = await userinfo(tokens, subject)
  assert.deepEqual([told.email, told.email_verified, told.name], [world.person, true, 'Ada Lovelace'])
  await assert.rejects(userinfo(tokens, 'somebody-else'))
})

await check('a code is good once, and what came of it ends with the second time', async () => {
  const { callback, checks } = await asks(new Person())
  const first = await client.authorizationCodeGrant(config, callback, checks)
  pass(MINUTE / 2)
  await refused('invalid_grant', client.authorizationCodeGrant(config, callback, checks))
  await refused('invalid_grant', refresh(first.refresh_token))
})

await check('nobody is logged out in twelve hours of refreshing', async () => {
  const seen = [tokens.refresh_token]
  for (let round = 0; round < 18; round += 1) {
    pass(40 * MINUTE)
    tokens = await refresh(tokens.refresh_token)
    seen.push(tokens.refresh_token)
    assert.equal(tokens.claims().sub, subject)
    assert.equal(tokens.claims().auth_time, signedInAt)
    assert.equal(tokens.claims().nonce, undefined)
  }
  distinct(seen)
  await userinfo(tokens, subject)
})

await check('a refresh whose reply was lost is repeated, and gives the same successor', async () => {
  const before = tokens
  const lost = await refresh(before.refresh_token)
  pass(MINUTE / 2)
  tokens = await refresh(before.refresh_token)
  same([lost.refresh_token, tokens.refresh_token])
  distinct([lost.access_token, tokens.access_token])
  tokens = await refresh(tokens.refresh_token)
})

await check('sixteen refreshes at once give one successor, sixteen times', async () => {
  const all = await Promise.all(Array.from({ length: 16 }, () => refresh(tokens.refresh_token)))
  same(all.map((each) => each.refresh_token))
  distinct(all.map((each) => each.access_token))
  tokens = all[7]
  tokens = await refresh(tokens.refresh_token)
})

await check('a refresh may ask for less, and the next one has everything again', async () => {
  const less = await refresh(tokens.refresh_token, { scope: 'openid email' })
  assert.equal(less.scope, 'email openid')
  tokens = await refresh(less.refresh_token)
  assert.deepEqual(new Set(tokens.scope.split(' ')), new Set(OFFLINE.split(' ')))
})

await check('asking for more is refused, and spends nothing', async () => {
  await refused('invalid_scope', refresh(tokens.refresh_token, { scope: 'openid notes:everything' }))
  await refused('invalid_target', refresh(tokens.refresh_token, { resource: 'https://elsewhere.example/' }))
  tokens = await refresh(tokens.refresh_token)
})

await check('introspection tells a client with a secret what its tokens are worth, and nobody else', async () => {
  const ask = (text) => client.tokenIntrospection(config, text)
  if (!confidential) {
    await unauthenticated(ask(tokens.access_token))
    return
  }
  const opaque = await signsIn(new Person(), { resource: world.opaqueApi })
  assert.ok(!opaque.access_token.includes('.'), 'an opaque token was asked for')
  for (const text of [tokens.access_token, tokens.refresh_token, opaque.access_token]) {
    const said = await ask(text)
    assert.deepEqual([said.active, said.sub, said.client_id, said.iss], [true, subject, own.id, world.issuer])
  }
  pass(11 * MINUTE)
  assert.deepEqual(await ask(opaque.access_token), { active: false })
  assert.deepEqual(await ask('ega_nonsense'), { active: false })
})

await check('revoking an access token ends it alone; revoking a refresh token ends everything of its family', async () => {
  tokens = await refresh(tokens.refresh_token)
  const other = await refresh(tokens.refresh_token)
  await revoke(tokens.access_token)
  await refused('invalid_token', told(userinfo(tokens, subject)))
  await userinfo(other, subject)
  await revoke(tokens.refresh_token) // the older generation: it names the same family
  await refused('invalid_token', told(userinfo(other, subject)))
  await refused('invalid_grant', refresh(other.refresh_token))
  await revoke(other.refresh_token)
})

// openid-client reports a bearer challenge as a list; its first member says which error.
async function told(promise) {
  try {
    return await promise
  } catch (error) {
    if (Array.isArray(error.cause)) error.error = error.cause[0].parameters.error
    throw error
  }
}

await check('a token that comes back late ends its family, whoever holds the other one', async () => {
  const stolen = await signsIn(ada)
  const owned = await refresh((await refresh(stolen.refresh_token)).refresh_token)
  pass(2 * MINUTE)
  await refused('invalid_grant', refresh(stolen.refresh_token))
  await refused('invalid_grant', refresh(owned.refresh_token))
  await refused('invalid_token', told(userinfo(owned, subject)))
})

await check(`the immediate predecessor lives ${confidential ? 'until its successor is used' : 'for its overlap'}`, async () => {
  const person = new Person()
  const before = await signsIn(person)
  const lost = await refresh(before.refresh_token)
  pass(confidential ? 20 * HOUR : 5 * MINUTE)
  if (!confidential) {
    await refused('invalid_grant', refresh(before.refresh_token))
    return
  }
  const again = await refresh(before.refresh_token)
  same([lost.refresh_token, again.refresh_token])
  await revoke(again.refresh_token)
})

await check('signing out ends the online family and not the offline one', async () => {
  const person = new Person()
  const stays = await signsIn(person)
  const goes = await signsIn(person, { scope: 'openid email' })
  const url = client.buildEndSessionUrl(config, {
    id_token_hint: goes.id_token,
    post_logout_redirect_uri: own.post_logout_redirect_uri,
    state: 'back',
  })
  const back = await person.goes(url)
  assert.equal(back.href, `${own.post_logout_redirect_uri}?state=back`)
  await refused('invalid_grant', refresh(goes.refresh_token))
  const next = await refresh(stays.refresh_token)
  const { callback, checks } = await asks(person, { prompt: 'none' })
  await refused('login_required', client.authorizationCodeGrant(config, callback, checks))
  await revoke(next.refresh_token)
})

await check('a person who denies is told to the client', async () => {
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: own.redirect_uri,
    scope: OFFLINE,
    prompt: 'consent',
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
    state: 'kept',
  })
  const callback = await new Person().goes(url, 'deny')
  await refused('access_denied', client.authorizationCodeGrant(config, callback, { expectedState: 'kept' }))
})

finish()
