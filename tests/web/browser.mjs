// browser.mjs - a real browser for tests: opens a page that must load nothing and run nothing but its own, clicks and types as
// people do, and takes pictures.
//
// Invariant: whatever the page does that it must not (a request, a dialog, an error, a script that a name brought) fails.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

// packages: the folder of playwright-core.
export async function startBrowser(chromium, packages) {
    const { chromium: driver } = createRequire(join(packages, "here.js"))("playwright-core");
    // The sandbox of Chromium wants a user who is not root.
    const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
    return driver.launch({ executablePath: chromium, args });
}

export async function openPage(browser, file, options = {}) {
    const page = await browser.newPage({ viewport: { width: 1240, height: 900 }, ...options });
    const wrong = [];
    page.on("dialog", dialog => { wrong.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on("pageerror", error => wrong.push(`an error: ${error.stack}`));
    page.on("console", message => wrong.push(`a message: ${message.text()}`));
    page.on("request", request => {
        if (request.url() !== `file://${file}`)
            wrong.push(`a request: ${request.url()}`);
    });
    page.on("popup", () => wrong.push("a window"));
    await page.goto(`file://${file}`);
    await page.waitForSelector("main h2, #opening:has-text('cannot')");
    return { page, wrong, check: () => assert.deepEqual(wrong, []) };
}
