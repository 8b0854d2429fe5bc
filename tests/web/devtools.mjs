// devtools.mjs - opens a heap snapshot in Chrome DevTools as a user would, by clicks, and prints what
// is shown: the rows of the summary, and of some types the objects, and the retainers of the first.
// It is Chromium's own front end, which the browser serves, with its own loader.
//
// Run: devtools.mjs PACKAGES CHROMIUM FILE TYPE,… SCREENSHOTS; PACKAGES: the folder node_modules; a picture of each type is
// written to SCREENSHOTS and its name.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [packages, program, file, names, screenshots] = process.argv.slice(2);
const { chromium } = createRequire(resolve(packages, "here.js"))("playwright-core");
const SIZE = { width: 1000, height: 560 };

function listening(browser) {
    return new Promise((done, fail) => {
        let told = "";
        browser.stderr.on("data", (text) => {
            told += text;
            const found = /DevTools listening on ws:\/\/([^/]+)/.exec(told);
            if (found) done(found[1]);
        });
        browser.on("exit", () => fail(new Error("the browser ended: " + told)));
    });
}

// The page opens its view only of a profile that is wholly loaded.
async function openProfile(page) {
    const [chooser] = await Promise.all([
        page.waitForEvent("filechooser"),
        page.getByRole("button", { name: "Load profile" }).last().click(),
    ]);
    await chooser.setFiles(file);
    const view = page.locator(".heap-snapshot-view");
    const profile = page.locator(".heap-snapshot-sidebar-tree-item:not(.wait)");
    await profile.waitFor();
    for (let tries = 0; tries < 60 && !(await view.count()); tries++) {
        await page.getByRole("treeitem", { name: "Profiles" }).click();
        await profile.click();
        await page.waitForTimeout(250);
    }
    return view;
}

// Rows of a grid that are shown, as texts of cells.
function rowsOf(grid) {
    return grid
        .locator("tr.data-grid-data-grid-node")
        .evaluateAll((rows) =>
            rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.innerText.replace(/\s+/g, " ").trim())),
        );
}

// The rows when they are there, other ones than `before`, and do not change any more.
async function settled(page, grid, before = []) {
    let last = "";
    for (let tries = 0; tries < 200; tries++) {
        const rows = await rowsOf(grid);
        const now = JSON.stringify(rows);
        if (rows.length && now === last && now !== JSON.stringify(before)) return rows;
        last = now;
        await page.waitForTimeout(100);
    }
    throw new Error("the rows are still the same, or change all the time: " + last.slice(0, 500));
}

// The objects of a type, and what holds the first: expanded by a key, as the triangles are drawn.
async function lookAt(page, view, name) {
    const [objects, retainers] = [view.locator(".data-grid").first(), view.locator(".data-grid").last()];
    const before = [await rowsOf(objects), await rowsOf(retainers)];
    await page.getByRole("textbox", { name: "Filter by class" }).click();
    await page.keyboard.press("Control+a");
    await page.keyboard.type(name);
    const types = await settled(page, objects, before[0]);
    await objects.locator("tr.data-grid-data-grid-node").filter({ hasText: new RegExp("^" + name + "×") }).click();
    await page.keyboard.press("ArrowRight");
    const shown = await settled(page, objects, types);
    await objects.locator("tr.data-grid-data-grid-node").filter({ hasText: name + "@" }).first().click();
    return { objects: shown, retainers: await settled(page, retainers, before[1]) };
}

async function look(page) {
    const view = await openProfile(page);
    const summary = await settled(page, view.locator(".data-grid").first());
    const found = {};
    for (const name of names.split(",")) {
        found[name] = await lookAt(page, view, name);
        await page.screenshot({ path: `${screenshots}${name}.png` });
    }
    return { summary, types: found };
}

const home = mkdtempSync(join(tmpdir(), "refheap-devtools-"));
const browser = spawn(
    program,
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--user-data-dir=" + home, "about:blank"],
    { stdio: ["ignore", "ignore", "pipe"] },
);
try {
    const host = await listening(browser);
    const remote = await chromium.connectOverCDP("http://" + host);
    const page = await remote.contexts()[0].newPage();
    const errors = [];
    page.setDefaultTimeout(60000);
    page.on("pageerror", (error) => errors.push(error.message));
    await page.setViewportSize(SIZE);
    await page.goto(`http://${host}/devtools/devtools_app.html?panel=heap-profiler`);
    const found = await look(page);
    console.log(JSON.stringify({ ...found, errors }));
    await remote.close();
} finally {
    browser.kill();
    await new Promise((done) => (browser.exitCode === null ? browser.on("exit", done) : done()));
    try {
        rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    } catch (error) {
        console.error(String(error)); // its children were writing yet
    }
}
