// inspect_page.mjs - opens a page of gcexport in Chromium and times it, for bench/inspect_exports.py:
//
//     node inspect_page.mjs CHROMIUM PACKAGES FILE RUNS
//
// PACKAGES: the folder of playwright-core. Prints {"objects", "runs": [{"opened", "clicks": [[what, ms]]}]}. Invariant: each run is
// a browser of its own.
import { openPage, startBrowser } from "../tests/web/browser.mjs";
import { timeClicks } from "../tests/web/clicks.mjs";

const [chromium, packages, file, wanted] = process.argv.slice(2);
const runs = [];
let objects = null;
for (let run = 0; run < Number(wanted); run++) {
    const browser = await startBrowser(chromium, packages);
    const began = performance.now();
    const { page, check } = await openPage(browser, file);
    const opened = performance.now() - began;
    objects = (await page.locator(".figures b").allInnerTexts())[0];
    runs.push({ opened, clicks: await timeClicks(page, []) });
    check();
    await browser.close();
}
console.log(JSON.stringify({ objects: Number(objects.replaceAll(",", "")), runs }));
