// A person with a browser that has cookies and no scripts: follows redirects, fills in forms, stops where a client is.
import assert from 'node:assert/strict'
import { world } from './checks.mjs'

export class Person {
  cookies = new Map()

  // Opens an address of the issuer and does what its pages ask; returns the address of the client it leads to.
  async goes(url, decision = 'allow') {
    let [response, here] = await this.opens(url)
    for (let pages = 0; pages < 6; pages += 1) {
      if (response === null) return here
      const text = await response.text()
      const form = formOf(text)
      assert.ok(form, `no form on the page ${here.pathname}: ${response.status} ${headingOf(text)}`)
      if (text.includes('name="password"')) {
        Object.assign(form.fields, { username: world.person, password: world.password })
      } else if (text.includes('name="decision"')) {
        form.fields.decision = text.includes('value="sign_out"') ? 'sign_out' : decision
      }
      ;[response, here] = await this.opens(new URL(form.action, here), form.fields)
    }
    assert.fail(`the pages go round in circles at ${here.pathname}`)
  }

  // One address and all its redirects: [response of the last page, its address], or [null, the client's address].
  async opens(url, fields) {
    let here = new URL(url)
    let body = fields && new URLSearchParams(fields)
    for (let hops = 0; hops < 10; hops += 1) {
      const response = await fetch(here, {
        method: body ? 'POST' : 'GET',
        body,
        redirect: 'manual',
        headers: { cookie: [...this.cookies].map((pair) => pair.join('=')).join('; ') },
      })
      this.keeps(response)
      if (response.status !== 303) return [response, here]
      here = new URL(response.headers.get('location'), here)
      body = undefined
      if (here.origin !== new URL(world.issuer).origin) return [null, here]
    }
    assert.fail('too many redirects')
  }

  keeps(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';')
      const at = pair.indexOf('=')
      if (/max-age=0/i.test(line)) this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
  }
}

function formOf(text) {
  for (const [form] of text.matchAll(/<form\b.*?<\/form>/gs)) {
    const fields = {}
    for (const [tag] of form.matchAll(/<input\b[^>]*>/g)) {
      const member = Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]))
      if (member.type === 'hidden') fields[member.name] = unescaped(member.value ?? '')
    }
    if ('csrf' in fields) return { action: unescaped(form.match(/action="([^"]*)"/)[1]), fields }
  }
  return null
}

function unescaped(text) {
  const names = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'" }
  return text.replace(/&([#\w]+);/g, (all, name) => names[name] ?? all)
}

export function headingOf(text) {
  return (text.match(/<h1[^>]*>(.*?)<\/h1>/s)?.[1] ?? '').replace(/<[^>]+>/g, '').trim()
}
