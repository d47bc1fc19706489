// What every script here does: checks told as JSON lines, simulated time, and a record of what the server issued.
//
// A script reads one JSON document from standard input (nothing secret stands in an argument list) and prints a line
// {"name", "passed", "reason"} for each check, then {"finished": how many}.
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'

export const world = JSON.parse(readFileSync(0, 'utf8'))

let made = 0

export async function check(name, work) {
  made += 1
  let reason = ''
  try {
    await work()
  } catch (error) {
    reason = inspect(error, { depth: 4 })
  }
  console.log(JSON.stringify({ name, passed: reason === '', reason }))
}

export function finish() {
  console.log(JSON.stringify({ finished: made }))
}

// ---- time: the server reads its offset from a file, the libraries ask Date.now(), and both move together

const realNow = Date.now
let offset = Number(readFileSync(world.clock, 'ascii')) * 1000
Date.now = () => realNow() + offset

export function pass(seconds) {
  offset += seconds * 1000
  writeFileSync(`${world.clock}.new`, String(offset / 1000))
  renameSync(`${world.clock}.new`, world.clock)
}

export const MINUTE = 60
export const HOUR = 3600

// ---- secrets: whatever the server says that has the shape of one is written where the run's last search finds it

const SHAPES = /\beg[a-z]_[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{20,}/g
const recorded = new Set()

export function record(text) {
  for (const [secret] of text.matchAll(SHAPES)) {
    if (recorded.has(secret)) continue
    recorded.add(secret)
    const line = Buffer.from(secret).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
    appendFileSync(join(process.env.EVERGRANT_TEST_SECRETS, `${process.pid}.secrets`), `${line}\n`, { mode: 0o600 })
  }
}

const realFetch = globalThis.fetch
globalThis.fetch = async (...request) => {
  const response = await realFetch(...request)
  record([...response.headers].flat().join('\n'))
  record(await response.clone().text())
  return response
}

// ---- what several scripts expect

// The promise must be refused by the server with this OAuth error.
export async function refused(code, promise) {
  const error = await promise.then(
    () => assert.fail(`expected ${code}, and it was granted`),
    (reason) => reason,
  )
  assert.equal(error.error, code, inspect(error, { depth: 3 }))
  return error
}

// The client itself must be refused. Every 401 carries its challenge (RFC 9110 section 15.5.2), and that is as far as
// these libraries look.
export async function unauthenticated(promise) {
  const error = await promise.then(
    () => assert.fail('expected 401, and it was granted'),
    (reason) => reason,
  )
  assert.equal(error.status, 401, inspect(error, { depth: 3 }))
  assert.equal(error.cause[0].scheme, 'basic')
}

export function same(values) {
  assert.equal(new Set(values).size, 1, `${new Set(values).size} different values`)
}

export function distinct(values) {
  assert.equal(new Set(values).size, values.length, 'a value occurs twice')
}
