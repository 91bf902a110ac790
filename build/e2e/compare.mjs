// Asks a server the same questions twice, over HTTP and through a stdio server that stands
// for it, with one of the TypeScript SDKs. Prints how many there were, or where the answers
// differ. usage: node compare.mjs v1|v2 legacy|modern URL COMMAND ARGS…
import { isDeepStrictEqual } from 'node:util'

const [sdk, era, url, command, ...args] = process.argv.slice(2)
const v1 = sdk === 'v1'
const from = async (...names) => Object.assign({}, ...await Promise.all(names.map(n => import(`@modelcontextprotocol/${n}`))))
const { Client, StreamableHTTPClientTransport, StdioClientTransport, ...types } = v1
  ? await from('sdk/client/index.js', 'sdk/client/streamableHttp.js', 'sdk/client/stdio.js', 'sdk/types.js')
  : await from('client', 'client/stdio')
const any = v1 ? (await import('zod')).z.any() : undefined

const requests = {
  'sampling/createMessage': r => ({ model: 'm', role: 'assistant', content: { type: 'text', text: `sampled: ${JSON.stringify(r.params.messages)}` } }),
  'elicitation/create': () => ({ action: 'accept', content: { name: 'Ann', check: true, firstLine: 'x' } }),
  'roots/list': () => ({ roots: [{ uri: 'file:///tmp/a', name: 'A' }] }),
}
const schemas = { 'sampling/createMessage': 'CreateMessageRequestSchema', 'elicitation/create': 'ElicitRequestSchema', 'roots/list': 'ListRootsRequestSchema' }

async function connect(transport) {
  const heard = []
  const client = new Client({ name: 'compare', version: '1' }, {
    capabilities: { sampling: {}, roots: { listChanged: true }, elicitation: { form: {}, url: {} } },
    ...(!v1 && { versionNegotiation: { mode: era === 'modern' ? 'auto' : 'legacy' } }),
  })
  for (const [method, answer] of Object.entries(requests)) client.setRequestHandler(v1 ? types[schemas[method]] : method, async r => answer(r))
  client.fallbackNotificationHandler = async n => { heard.push(n.method) }
  await client.connect(transport)
  client.heard = async method => {
    for (let i = 0; i < 500 && !heard.includes(method); i++) await new Promise(done => setTimeout(done, 10))
    return heard.includes(method) ? method : `no ${method} in ${heard}`
  }
  return client
}

// call works with any tool, also those whose schema an SDK would check.
const ask = (c, method, params, options) => v1 ? c.request({ method, params }, any, options) : c.request({ method, params }, options)
const call = (c, name, a = {}, options) => v1 ? ask(c, 'tools/call', { name, arguments: a }, options) : c.callTool({ name, arguments: a }, options)

async function pages(c, method, member) {
  const all = []
  for (let cursor, n = 0; n < 100; n++) {
    const page = await ask(c, method, cursor ? { cursor } : {})
    all.push(page[member])
    if (!(cursor = page.nextCursor)) break
  }
  return all
}

// The SDKs drop a last step that arrives in one piece with the answer, as from a pipe.
async function progress(c, name, a) {
  const steps = new Set()
  const result = await call(c, name, a, { onprogress: p => { if (p.progress < p.total) steps.add(JSON.stringify(p)) } })
  return { result, steps: [...steps] }
}

async function cancelled(c, name, a) {
  const stop = new AbortController()
  setTimeout(() => stop.abort('enough'), 200)
  try { return await call(c, name, a, { signal: stop.signal }) } catch (e) { return String(e.message ?? e) }
}

const common = [
  ['server', c => [c.getServerVersion(), c.getServerCapabilities(), c.getInstructions(), c.getNegotiatedProtocolVersion?.()]],
  ['tools', c => pages(c, 'tools/list', 'tools')],
  ['unknown tool', c => call(c, 'no such tool')],
  ['unknown method', c => ask(c, 'no/such/method', {})],
]
const everything = [
  ...common,
  ['prompts', c => pages(c, 'prompts/list', 'prompts')],
  ['resources', c => pages(c, 'resources/list', 'resources')],
  ['templates', c => pages(c, 'resources/templates/list', 'resourceTemplates')],
  ['echo', c => call(c, 'echo', { message: 'hällo \u2028 "\\" 😀' })],
  ['annotated', c => call(c, 'get-annotated-message', { messageType: 'error', includeImage: true })],
  ['environment', c => call(c, 'get-env')],
  ['links', c => call(c, 'get-resource-links', { count: 5 })],
  ['reference', c => call(c, 'get-resource-reference', { resourceType: 'Text', resourceId: 1 })],
  ['bad arguments', c => call(c, 'get-resource-reference', { resourceType: 7 })],
  ['roots', c => call(c, 'get-roots-list')],
  ['structured', c => call(c, 'get-structured-content', { location: 'Chicago' })],
  ['sum', c => call(c, 'get-sum', { a: 0.1, b: 1e21 })],
  ['image', c => call(c, 'get-tiny-image')],
  ['sampling', c => call(c, 'trigger-sampling-request', { prompt: 'hello', maxTokens: 10 })],
  ['elicitation', c => call(c, 'trigger-elicitation-request')],
  ['elicitation by URL', c => call(c, 'trigger-url-elicitation', { url: 'https://example.com/', message: 'm' })],
  ['asynchronous sampling', c => call(c, 'trigger-sampling-request-async', { prompt: 'hello' })],
  ['asynchronous elicitation', c => call(c, 'trigger-elicitation-request-async')],
  ['a task', c => ask(c, 'tools/call', { name: 'simulate-research-query', arguments: { topic: 't' }, task: { ttl: 60000 } })],
  ['a task that is none', c => call(c, 'simulate-research-query', { topic: 't' })],
  ['progress', c => progress(c, 'trigger-long-running-operation', { duration: 1.5, steps: 3 })],
  ['cancelled', c => cancelled(c, 'trigger-long-running-operation', { duration: 60, steps: 60 })],
  ['zipped', c => call(c, 'gzip-file-as-resource', { name: 'a.gz', data: 'data:text/plain,hello', outputType: 'resource' })],
  ['list changed', c => c.heard('notifications/resources/list_changed')],
  ['prompt', c => ask(c, 'prompts/get', { name: 'completable-prompt', arguments: { department: 'Sales', name: 'Eve' } })],
  ['simple prompt', c => ask(c, 'prompts/get', { name: 'simple-prompt' })],
  ['unknown prompt', c => ask(c, 'prompts/get', { name: 'none' })],
  ['completion', c => ask(c, 'completion/complete', { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'name', value: '' }, context: { arguments: { department: 'Sales' } } })],
  ['resource', c => ask(c, 'resources/read', { uri: 'demo://resource/dynamic/text/1' })],
  ['unknown resource', c => ask(c, 'resources/read', { uri: 'demo://nothing' })],
  ['level', c => ask(c, 'logging/setLevel', { level: 'debug' })],
  ['logging', async c => [(await call(c, 'toggle-simulated-logging')).isError, await c.heard('notifications/message')]],
  ['subscribe', c => ask(c, 'resources/subscribe', { uri: 'demo://resource/dynamic/text/1' })],
  ['updates', async c => [(await call(c, 'toggle-subscriber-updates')).isError, await c.heard('notifications/resources/updated')]],
  ['unsubscribe', c => ask(c, 'resources/unsubscribe', { uri: 'demo://resource/dynamic/text/1' })],
  ['ping', c => ask(c, 'ping', {})],
]
const modern = [
  ...common,
  ['echo', c => call(c, 'echo', { text: 'hällo \u2028 "\\" 😀' })],
  ['add', c => call(c, 'add', { a: 0.1, b: 1e21 })],
  ['bad arguments', c => call(c, 'add', { a: 'x' })],
  ['sampling', c => call(c, 'sample', { text: 'hello' })],
  ['elicitation', c => call(c, 'ask', { text: 'who?' })],
  ['progress', c => progress(c, 'slow', { steps: 3, delay_ms: 500 })],
  ['cancelled', c => cancelled(c, 'wait')],
  ['large', c => call(c, 'big', { bytes: 1 << 20 })],
  ['failed', c => call(c, 'fail')],
]

// what changes by itself from one time to the next
const steady = v => JSON.parse(JSON.stringify(v ?? null)
  .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'DATE').replace(/\d{1,2}:\d\d:\d\d [AP]M/g, 'TIME')
  .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID').replace(/\b[0-9a-f]{32}\b/g, 'ID'))

async function answers(transport) {
  const client = await connect(transport), all = {}
  for (const [name, question] of era === 'modern' ? modern : everything) {
    try { all[name] = steady({ result: await question(client) }) } catch (e) { all[name] = steady({ error: { code: e.code, message: e.message, data: e.data } }) }
  }
  await client.close()
  return all
}

const [direct, bridged] = await Promise.all([
  answers(new StreamableHTTPClientTransport(new URL(url))),
  answers(new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore', maxBufferSize: 1 << 30 })),
])
let differ = 0
for (const name of Object.keys(direct)) {
  if (isDeepStrictEqual(direct[name], bridged[name])) continue
  differ++
  console.log(`${name} differs\n  direct:  ${JSON.stringify(direct[name]).slice(0, 2000)}\n  bridged: ${JSON.stringify(bridged[name]).slice(0, 2000)}`)
}
if (!differ) console.log(`${Object.keys(direct).length} answers are the same`)
process.exit(differ ? 1 : 0)
