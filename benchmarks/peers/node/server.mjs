// node-oidc-provider, set up to do what Evergrant does on a refresh: a public client, rotation always on, an ES256 JWT
// access token for one resource and an ES256 ID token. The first refresh tokens are minted here with the library's own
// models and written to BENCH_FAMILIES; every refresh then goes over HTTP.

import { generateKeyPair, exportJWK } from 'jose';
import { writeFileSync, renameSync } from 'node:fs';
import Provider from 'oidc-provider';

import PlainMemory from './memory.mjs';

const asked = JSON.parse(process.env.BENCH_PROFILE);
const issuer = `http://127.0.0.1:${asked.port}`;

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: 'bench-es256', alg: 'ES256', use: 'sig' };

const resourceServer = {
  scope: 'api',
  audience: asked.resource,
  accessTokenTTL: asked.access_token_seconds,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'ES256' } },
};

const provider = new Provider(issuer, {
  adapter: process.env.BENCH_ADAPTER === 'shipped' ? undefined : PlainMemory,
  jwks: { keys: [key] },
  clients: [{
    client_id: asked.client_id,
    application_type: 'web',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [asked.redirect_uri],
    id_token_signed_response_alg: 'ES256',
  }],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'offline_access', 'api'],
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => asked.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => resourceServer,
    },
  },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  ttl: {
    AccessToken: asked.access_token_seconds,
    IdToken: asked.access_token_seconds,
    RefreshToken: asked.refresh_token_seconds,
    Grant: asked.refresh_token_seconds,
  },
  cookies: { keys: ['only for the benchmark'] },
});

provider.on('server_error', (ctx, error) => console.error(error));

async function mint(number) {
  const accountId = `user-${number}`;
  const grant = new provider.Grant({ accountId, clientId: asked.client_id });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(asked.resource, 'api');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId,
    client: await provider.Client.find(asked.client_id),
    grantId,
    gty: 'authorization_code',
    scope: asked.scope,
    resource: asked.resource,
    authTime: Math.floor(Date.now() / 1000),
    sessionUid: `session-${number}`,
  });
  return token.save();
}

const families = [];
for (let number = 0; number < asked.families; number += 1) families.push(await mint(number));

provider.listen(asked.port, '127.0.0.1', () => {
  const file = process.env.BENCH_FAMILIES;
  writeFileSync(`${file}.part`, JSON.stringify(families));
  renameSync(`${file}.part`, file);
});
