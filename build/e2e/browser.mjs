// Drives the provider's real login and consent pages in headless Chromium.
// Usage: node browser.mjs URL [SCREENSHOT]   CHROMIUM names the browser. Prints the last page's text.
import { chromium } from 'playwright-core'

const [start, screenshot] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost'],
})
const page = await browser.newPage()
page.setDefaultTimeout(20000)
await page.goto(start)
for (let step = 0; step < 6 && page.url().includes('/interaction/'); step++) {
  if (await page.locator('input[name=login]').count()) {
    await page.fill('input[name=login]', 'alice')
    await page.fill('input[name=password]', 'anything')
  }
  await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.locator('button[type=submit]').first().click()])
}
console.log(JSON.stringify({ url: page.url(), title: await page.title(), text: await page.innerText('body') }))
if (screenshot) await page.screenshot({ path: screenshot })
await browser.close()
