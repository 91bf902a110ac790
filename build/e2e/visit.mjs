// Plays the person in front of the browser, over plain HTTP: follows a sign-in URL, fills in the
// login and consent forms, and ends on the page it lands on. Usage: node visit.mjs URL [--deny]
const jar = new Map() // origin host → cookies
const [start, deny] = process.argv.slice(2)
let url = new URL(start)
let init = {}

async function visit() {
  const cookies = jar.get(url.hostname) ?? new Map()
  jar.set(url.hostname, cookies)
  const cookie = [...cookies].map(([k, v]) => `${k}=${v}`).join('; ')
  const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } })
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
    if (value && !/expires=Thu, 01 Jan 1970/i.test(line)) cookies.set(name, value)
    else cookies.delete(name)
  }
  return answer
}

function submit(form) {
  const fields = new URLSearchParams()
  for (const [input] of [...form.matchAll(/<input[^>]*>/gi), ...[...form.matchAll(/<button[^>]*>/gi)].slice(...(deny ? [0, 1] : [-1]))]) {
    const attribute = name => input.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1]
    const name = attribute('name')
    if (name) fields.set(name, { login: 'alice', password: 'anything' }[name] ?? attribute('value') ?? '')
  }
  const action = form.match(/action="([^"]*)"/)?.[1]?.replaceAll('&amp;', '&')
  url = new URL(action || url, url)
  init = { method: 'POST', body: fields.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url.origin } }
}

for (let step = 0; step < 30; step++) {
  const answer = await visit()
  init = {}
  const location = answer.headers.get('location')
  if (location) { url = new URL(location, url); continue }
  const page = await answer.text()
  const abort = deny && page.match(/href="([^"]*\/abort)"/)?.[1]
  if (abort) { url = new URL(abort, url); continue }
  const form = page.match(/<form[^>]*>[\s\S]*?<\/form>/i)?.[0]
  if (form) { submit(form); continue }
  console.log(answer.status, page.replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim().slice(0, 300))
  process.exit(answer.ok ? 0 : 1)
}
console.log('the sign-in led nowhere')
process.exit(1)
