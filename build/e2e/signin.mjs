// A client that stays connected while its person signs in: connects to a stdio server with
// one of the TypeScript SDKs, calls its only tool, waits to be told of other ones, and calls
// one of those. Prints its answer. usage: node signin.mjs v1|v2 legacy|modern COMMAND ARGS…
const [sdk, era, command, ...args] = process.argv.slice(2)
const from = async (...names) => Object.assign({}, ...await Promise.all(names.map(n => import(`@modelcontextprotocol/${n}`))))
const { Client, StdioClientTransport } = sdk === 'v1' ? await from('sdk/client/index.js', 'sdk/client/stdio.js') : await from('client', 'client/stdio')

let tell
const told = new Promise((resolve, reject) => { tell = (error, tools) => error ? reject(error) : resolve(tools) })
const client = new Client({ name: 'signin', version: '1' }, {
  listChanged: { tools: { onChanged: (error, tools) => tell(error, tools) } },
  ...(sdk === 'v2' && { versionNegotiation: { mode: era === 'modern' ? 'auto' : 'legacy' } }),
})
client.onerror = e => { console.log('error:', e.message) }
await client.connect(new StdioClientTransport({ command, args, env: process.env }))
console.log(client.getServerVersion().name, client.getInstructions())
const [only, ...others] = (await client.listTools()).tools
console.log(only.name, others.length, (await client.listPrompts()).prompts.length, (await client.listResources()).resources.length)
console.log((await client.callTool({ name: only.name, arguments: {} })).content[0].text)
console.log((await told).map(t => t.name).join(' '))
console.log((await client.callTool({ name: 'echo', arguments: { text: 'hello from the server' } })).content[0].text)
await client.close()
