// A single-page application as its authors would write it with oidc-client-ts: tokens in localStorage, shared by all of
// its tabs; automatic silent renewal with the refresh token; a network fault is tried again, a refusal is a sign-out.
const settings = await (await fetch('/settings.json')).json()
const body = document.body.dataset
const byId = (id) => document.getElementById(id)

const manager = new oidc.UserManager({
  ...settings,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  userStore: new oidc.WebStorageStateStore({ store: localStorage }),
  loadUserInfo: true,
})

function show(user, why = '') {
  byId('who').textContent = user ? `Signed in as ${user.profile.email ?? user.profile.sub}` : 'Signed out'
  byId('why').textContent = why
  byId('in').hidden = Boolean(user)
  byId('out').hidden = !user
  body.state = user ? 'in' : 'out'
}

async function renew() {
  try {
    await manager.signinSilent()
  } catch (error) {
    await failed(error)
  }
}

async function failed(error) {
  body.failures = Number(body.failures ?? 0) + 1
  if (error instanceof oidc.ErrorResponse && error.error === 'invalid_grant') {
    await manager.removeUser()
    show(null, 'Your sign-in has ended.')
  } else if ((await manager.getUser()) === null) {
    show(null, 'You were signed out in another tab.')
  } // otherwise the network failed: asking for the user has set the library's timer again, for a second from now
}

manager.events.addUserLoaded((user) => {
  body.renewals = Number(body.renewals ?? -1) + 1
  show(user)
})
manager.events.addSilentRenewError(failed)
manager.events.addAccessTokenExpired(renew) // a laptop that slept past the end of its token
byId('in').addEventListener('click', () => manager.signinRedirect())
byId('out').addEventListener('click', () => manager.signoutRedirect())

if (location.pathname === '/callback') {
  try {
    await manager.signinCallback()
    history.replaceState(null, '', '/')
  } catch (error) {
    show(null, `${error.error ?? error.name}: ${error.message}`)
    throw error
  }
} else if (location.search.includes('state=')) {
  await manager.signoutCallback()
  history.replaceState(null, '', '/')
}
const user = await manager.getUser()
if (user && body.renewals === undefined) {
  body.renewals = 0
  show(user)
  if (user.expired) await renew()
} else if (!user) {
  show(null)
}
