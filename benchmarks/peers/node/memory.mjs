// An in-memory adapter without a size limit and with constant-time writes.
//
// The adapter that ships with oidc-provider is an LRU of 1000 entries whose per-grant index is walked on every write, so
// its cost grows with the number of rotations. This one is the plain Map an integrator would write for a test: the faster
// of the two is the fairer opponent. BENCH_ADAPTER=shipped measures the other.

const entries = new Map();
const members = new Map();
const uids = new Map();

const indexed = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

export default class PlainMemory {
  constructor(model) {
    this.model = model;
    this.prefix = `${model}:`;
    this.indexed = indexed.has(model);
  }

  async upsert(id, payload, expiresIn) {
    const key = this.prefix + id;
    entries.set(key, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
    if (this.model === 'Session') uids.set(payload.uid, id);
    if (this.indexed && payload.grantId) {
      const known = members.get(payload.grantId);
      if (known) known.push(key);
      else members.set(payload.grantId, [key]);
    }
  }

  async find(id) {
    const entry = entries.get(this.prefix + id);
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  async findByUid(uid) {
    return this.find(uids.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    entries.get(this.prefix + id).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    entries.delete(this.prefix + id);
  }

  async revokeByGrantId(grantId) {
    for (const key of members.get(grantId) ?? []) entries.delete(key);
    members.delete(grantId);
  }
}
