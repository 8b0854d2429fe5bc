// page.mjs - reads pages of gcexport in a browser as a person would: by clicks, keys and the back button.
//
//     node page.mjs CHROMIUM PACKAGES PICTURES CASES.json
//
// CASES: [{name, file, expected}], what refheap itself says of the same heap. Invariant: each text is compared with that; how
// long an interaction took is printed, and no more.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openPage, startBrowser } from "./browser.mjs";
import { timeClicks } from "./clicks.mjs";

const [chromium, packages, pictures, cases] = process.argv.slice(2);
const browser = await startBrowser(chromium, packages);

const text = locator => locator.innerText();
const grouped = number => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

// Bytes in three digits, as the page has them.
function shortened(bytes) {
    const digits = Math.max(0, Math.floor(Math.log10(bytes || 1) / 3));
    return digits ? `${(bytes / 1000 ** digits).toPrecision(3)} ${["", "kB", "MB", "GB"][digits]}` : `${bytes} bytes`;
}
const sorted = list => list.slice().sort();
const once = (count, what) => `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
// The rows of the table behind a heading, each cell with all its text.
const whole = (page, title) => page.locator(`h3:text-matches("^${title}") + .table tbody tr`)
    .evaluateAll(list => list.map(row => [...row.cells].map(cell => cell.innerText.trim())));
async function goTo(page, hash) {
    await page.evaluate(to => { location.hash = to; }, hash);
}

// The place that was gone to is there when its heading is: the same text, or one that a pattern matches.
async function arrives(page, wanted) {
    const found = () => text(page.locator("main h2").first());
    const isThere = said => typeof wanted === "string" ? said === wanted : wanted.test(said);
    for (let tries = 0; tries < 200 && !isThere(await found()); tries++)
        await page.waitForTimeout(20);
    assert.ok(isThere(await found()), `at ${await found()}, and not at ${wanted}`);
}
const rows = (page, section) => page.locator(`section[aria-labelledby=${section}] tbody tr`);

async function cells(page, selector) {
    return page.locator(selector).evaluateAll(list => list.map(row => [...row.cells].map(cell => cell.innerText.trim())));
}

// The rows of the table behind a heading of an object's page, all of them.
async function under(page, title) {
    const part = page.locator(`h3:text-matches("^${title}") + .table`);
    for (let more = part.locator(".more button"); await more.count(); )
        await more.click();
    return part.locator("tbody tr").evaluateAll(list => list.map(row => [...row.cells].map(cell => {
        const link = cell.querySelector("a");
        return (link ?? cell).innerText.trim();
    })));
}

// ---- what a person asks ------------------------------------------------------------------------

async function headline({ page, expected }) {
    const figures = await page.locator(".figures b").allInnerTexts();
    assert.equal(figures[0], grouped(expected.objects));
    assert.equal(figures[1], shortened(expected.bytes));
    assert.equal(figures[2], grouped(expected.leaked));
    assert.equal(figures[3], grouped(expected.garbage_cycles));
    assert.match(await text(page.locator("h1")), new RegExp(`process ${expected.pid}$`));
    const verdict = await text(page.locator(".verdict"));
    assert.ok(verdict.startsWith(expected.leaked ? `${grouped(expected.leaked)} object` : "No leak was found"), verdict);
}

async function leaks({ page, expected }) {
    await page.click("nav a:text-is('Leaks')");
    await arrives(page, "Leaks");
    const found = (await cells(page, "section[aria-labelledby=leaks] tbody tr")).map(row => [row[0].replace(" ", "_"), row[3], row[4], row[5]]);
    assert.deepEqual(found, expected.leaks.map(leak => [leak.cause, ...[leak.count, leak.objects, leak.bytes].map(grouped)]));
    await rows(page, "leaks").first().locator("td.what a").click();
    await arrives(page, expected.leaks[0].shown);
    assert.match(await text(page.locator("h3:text-is('Why it is leaked') + p")), /^It is leaked/);
    await page.goBack();
    await arrives(page, "Leaks");
    assert.ok((await text(page.locator("section[aria-labelledby=leaks] > p").first())).startsWith(expected.leaked
        ? `${once(expected.leaked, "object")}, ${once(expected.leaked_bytes, "byte")}, leaked.` : "No leak was found."));
    assert.equal(await page.locator("section[aria-labelledby=leaks] th[aria-sort]").count(), 0); // they come as gcleaks has them
    const facts = await cells(page, "section[aria-labelledby=leaks] tbody tr");
    for (const [i, leak] of expected.leaks.entries()) {
        const madeAt = leak.site ? `${leak.site.file.replace(/^.*\//, "")}:${leak.site.line}${leak.site.function ? ` in ${leak.site.function}()` : ""}` : "not recorded";
        assert.deepEqual([facts[i][1], facts[i][2], facts[i][6]], [leak.type, madeAt, grouped(leak.retained)], "a row of leaks");
        assert.ok(facts[i][7].startsWith(leak.shown), `${facts[i][7]} is not ${leak.shown}`);
        assert.equal(facts[i][0].includes("in use all the same"), Boolean(leak.in_use));
    }
    await rows(page, "leaks").first().locator("td a").first().click();
    await arrives(page, /^Leak: /);
    for (const [i, leak] of expected.leaks.slice(0, 10).entries()) {
        await goTo(page, `#/leak/${i}`);
        await arrives(page, `Leak: ${leak.cause.replace("_", " ")} of ${leak.type}`);
        assert.ok((await text(page.locator("section[aria-labelledby=leak] > p").first()))
            .startsWith(`${once(leak.count, "time")}, ${once(leak.objects, "object")}, ${once(leak.bytes, "byte")}: `));
        const fact = name => text(page.locator(`dt:text-is("${name}") + dd`));
        assert.equal((await fact("made at")).startsWith(leak.site ? `${leak.site.file}:${leak.site.line}` : "not recorded"), true);
        assert.ok((await fact("the largest")).startsWith(leak.shown));
        if (leak.counts_lost)
            assert.equal(await fact("counts without an owner"), grouped(leak.counts_lost));
    }
}

async function cycles({ page, expected }) {
    await page.click("nav a:text-is('Cycles')");
    await arrives(page, "Cycles");
    assert.match(await text(page.locator("section p").first()),
        new RegExp(`^${grouped(expected.cycles)} cycles? of references: ${grouped(expected.garbage_cycles)} garbage, `));
    await rows(page, "cycles").first().locator("td a").first().click();
    await arrives(page, /^Cycle of \d+ objects: garbage$/);
    const member = page.locator("section tbody tr td.what a").first(), name = await text(member);
    await member.click();
    await arrives(page, name);
    assert.equal(await page.locator("dt:text-is('in a cycle') + dd a").count(), 1);
    for (const [i, cycle] of expected.all_cycles.slice(0, 10).entries()) {
        await goTo(page, `#/cycle/${i}`);
        await arrives(page, `Cycle of ${once(cycle.size, "object")}: ${cycle.verdict}`);
        const said = await text(page.locator("section[aria-labelledby=cycle] > p").first());
        assert.ok(said.startsWith(cycle.verdict === "garbage" ? "All counts of its objects come from inside: nothing outside holds it."
            : cycle.held_by ? "It is held from outside" : "It is held from outside, by counts whose owner is lost."), said);
        const holders = await page.locator("h3:text-is('Held by') + ul li").allInnerTexts();
        assert.equal(holders.length, Math.min(50, cycle.held_by), "who holds a cycle");
        holders.forEach((line, at) => assert.ok(line.includes(cycle.holders[at].split("::").at(-1)), `${line} has no ${cycle.holders[at]}`));
        assert.ok((await text(page.locator("h3:text-is('Its objects') + .table td.what").first())).startsWith(cycle.first), cycle.first);
        if (cycle.size <= 50)
            assert.equal(await page.locator("h3:text-is('Its objects') + .table tbody tr").count(), cycle.size);
    }
}

async function types({ page, expected }) {
    await page.click("nav a:text-is('Types')");
    await arrives(page, "Types");
    await page.locator("th button:text-is('bytes')").click();
    for (const more = page.locator(".more button"); await more.count(); )
        await more.click();
    const found = await cells(page, "section[aria-labelledby=types] tbody tr");
    const wanted = expected.types.map(type => [type.count, type.bytes, type.retained].map(grouped).join()).sort();
    assert.deepEqual(found.map(row => row.slice(1, 4).join()).sort(), wanted);
    const bytes = found.map(row => Number(row[2].replaceAll(",", "")));
    assert.deepEqual(bytes, bytes.slice().sort((a, b) => b - a));
    assert.equal(await page.locator("th[aria-sort=descending]").innerText(), "bytes");
    await page.fill("#filter", expected.type.toUpperCase());
    assert.equal(await rows(page, "types").count(), 1);
    await rows(page, "types").first().locator("a").click();
    await arrives(page, /^Type /);
}

// Each step of the way shown leads by a slot that owns, as far as it was asked who owns what it leads to.
async function isOwned(page, expected) {
    const steps = await page.locator(".path li:not(.root)").evaluateAll(list => list.map(step =>
        ({ id: step.querySelector("a").innerText.trim(), slot: step.querySelector("code")?.innerText.trim() })));
    for (let i = 1; i < steps.length; i++) {
        const { owners } = expected.asked.find(object => object.shown === steps[i].id) ?? {};
        const said = `${steps[i - 1].id} ${steps[i - 1].slot}`;
        assert.ok(!owners || owners.includes(said), `${said} does not own ${steps[i].id}: ${owners}`);
    }
}

// Each object that is asked about: its facts, who holds it, what it holds, and, if it is held, why.
async function objects({ page, expected }) {
    for (const object of expected.asked) {
        await page.evaluate(address => { location.hash = `#/object/${address}`; }, object.address);
        await arrives(page, object.shown);
        const fact = name => text(page.locator(`dt:text-is("${name}") + dd`));
        assert.equal(await fact("its own bytes"), grouped(object.size));
        assert.equal((await fact("retains")).split(" ")[0], grouped(object.retained));
        assert.equal(await fact("count"), object.refcount === null ? "none: it is immortal" : grouped(object.refcount));
        assert.equal(await fact("type"), object.type);
        assert.equal(await fact("address"), object.address);
        assert.equal(await text(page.locator("section[aria-labelledby=object] > p.value").or(page.locator("h2")).last()).then(said => said === object.shown ? null : said),
            object.value, `the value of ${object.shown}`);
        for (const [name, wanted] of [["made at", object.made_at], ["in a cycle", object.cycle]])
            assert.equal(await page.locator(`dt:text-is("${name}")`).count() ? await fact(name) : null, wanted, `${name}, of ${object.shown}`);
        const why = page.locator("h3:text-matches('^Why it is (leaked|alive)')");
        assert.equal(await text(why), object.leaked ? "Why it is leaked" : "Why it is alive");
        if (object.leaked)
            assert.ok((await text(page.locator("h3:text-is('Why it is leaked') + p"))).startsWith(`It is leaked (${object.leaked.replace("_", " ")}): `));
        await under(page, "Held by");
        const all = await whole(page, "Held by"), said = all.filter(row => row[1] === "");
        assert.equal(said.length, Math.min(8, object.words), `words that hold ${object.shown}`);
        for (const row of said)
            assert.ok(object.word_names.some(([name, strength]) => row[0].includes(name) && row[2].startsWith(strength)), `${row}: ${object.word_names}`);
        for (const row of all.filter(row => row[1] !== "")) {
            const known = Object.entries(object.strengths).find(([name]) => row[0].startsWith(name.split(" ")[0]) && name.endsWith(` ${row[1]}`));
            assert.equal(row[2], known?.[1], `the strength of ${row}`);
        }
        await under(page, "Holds");
        for (const row of await whole(page, "Holds"))
            if (object.slot_strengths[row[0]])
                assert.equal(row[2], object.slot_strengths[row[0]], `the strength of ${row[0]} in ${object.shown}`);
        const held = (await under(page, "Held by")).filter(row => row[1] !== "").map(row => `${row[0]} ${row[1]}`);
        assert.deepEqual(held.sort(), object.referrers.sort(), `who holds ${object.shown}`);
        const holds = (await under(page, "Holds")).filter(row => object.referents.length && row[2] !== "").map(row => `${row[0]} ${row[1]}`);
        assert.deepEqual(holds.filter(row => !row.endsWith(" NULL")).sort(), object.referents.sort(), `what ${object.shown} holds`);
        if (object.root !== null) {
            const path = await page.locator(".path li").allInnerTexts();
            assert.ok(path[0].includes(object.root), `${path} has no ${object.root}`);
            assert.ok(path.at(-1).includes(object.shown), `${path} does not end there`);
            await isOwned(page, expected);
        }
    }
}

// All that an object alone keeps is counted, and what of it is not on the page.
async function crowds({ page, expected }) {
    for (const crowd of expected.crowds) {
        await goTo(page, `#/object/${crowd.address}`);
        await arrives(page, crowd.id);
        assert.equal(await text(page.locator("h3:text-matches('^It alone keeps')")), `It alone keeps (${grouped(crowd.keeps)})`);
        const said = await page.locator("h3:text-matches('^It alone keeps') + .table + p.quiet").allInnerTexts(), { left_out: left } = crowd;
        assert.deepEqual(said.slice(0, 1), left ? [`${grouped(left)} more object${left === 1 ? "" : "s"} not on this page: those that retain most are.`] : []);
        if (crowd.keeps <= 10)
            assert.equal(await page.locator("h3:text-matches('^It alone keeps') + .table tbody tr").count(), crowd.keeps - left);
    }
}

// From an object to who holds it, to what that holds, and back, by clicks alone.
async function walk({ page, expected }) {
    const [start] = expected.asked.filter(object => object.referrers.length);
    await page.evaluate(address => { location.hash = `#/object/${address}`; }, start.address);
    await arrives(page, start.shown);
    const holder = page.locator("h3:text-matches('^Held by') + .table td.what a").first();
    const name = await text(holder);
    await holder.click();
    await arrives(page, name);
    await page.goBack();
    await arrives(page, start.shown);
}

async function map({ page }) {
    await page.click("nav a:text-is('Map')");
    await arrives(page, "What keeps the memory");
    const top = await page.locator(".cell").count();
    assert.ok(top > 0 && top < 1000, `${top} areas`);
    const inner = page.locator(".cell.inner").first();
    const label = (await inner.getAttribute("aria-label")).split(" retains ")[0];
    await inner.focus();
    await page.keyboard.press("Enter");
    await arrives(page, `What ${label} alone keeps`);
    await page.locator(".trail a:text-is('everything')").click();
    await arrives(page, "What keeps the memory");
}

// Words of tables that stand in two lines, and are short enough to stand in one.
const brokenWords = page => page.locator("td").evaluateAll(cells => cells.flatMap(cell => {
    const broken = [], texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let text; !cell.matches(".long") && (text = texts.nextNode()); )
        for (const word of text.data.matchAll(/[\w.@#]+/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (new Set([...range.getClientRects()].map(part => part.top)).size > 1)
                broken.push(word[0]);
        }
    return broken;
}));

// In a window that has no room for them.
async function narrow({ page }) {
    await page.setViewportSize({ width: 360, height: 600 });
    for (const [place, title] of [["#/types", "Types"], ["#/cycles", "Cycles"], ["#/leaks", "Leaks"]]) {
        await goTo(page, place);
        await arrives(page, title);
        assert.deepEqual(await brokenWords(page), [], place);
    }
    await page.setViewportSize({ width: 1240, height: 900 });
}

// A window of another size: what was scrolled, opened and typed stays; areas are as wide as the window.
async function resized({ page, expected }) {
    await goTo(page, "#/types");
    await arrives(page, "Types");
    await page.fill("#filter", expected.type);
    await page.setViewportSize({ width: 800, height: 600 });
    await page.waitForTimeout(400);
    assert.equal(await page.inputValue("#filter"), expected.type);
    await goTo(page, "#/map");
    await arrives(page, "What keeps the memory");
    const width = () => page.locator(".cell").evaluateAll(list => Math.max(...list.map(cell => cell.offsetLeft + cell.offsetWidth)));
    const before = await width();
    for (const more = page.locator(".more button").first(); await page.locator("tbody tr").count() < 100 && await more.count(); )
        await more.click();
    const rowsShown = await page.locator("tbody tr").count();
    await page.evaluate(() => window.scrollTo(0, 200));
    const scrolled = await page.evaluate(() => window.scrollY);
    await page.setViewportSize({ width: 1240, height: 600 });
    await page.waitForFunction(was => Math.max(...[...document.querySelectorAll(".cell")].map(cell => cell.offsetLeft + cell.offsetWidth)) > was, before);
    assert.equal(await page.locator("tbody tr").count(), rowsShown);
    assert.ok(scrolled > 0 && Math.abs(await page.evaluate(() => window.scrollY) - scrolled) < 60, "it was scrolled back");
    await page.setViewportSize({ width: 1240, height: 900 });
    await page.waitForTimeout(300);
}

// A text that is no number of a row names none.
async function nowhere({ page }) {
    for (const place of ["leak/", "leak", "leak/00", "leak/0x0", "leak/-1", "leak/1e9", "cycle/", "type/", "type/%20", "site/"]) {
        await goTo(page, `#/${place}`);
        await arrives(page, "Not here");
    }
}

async function search({ page, expected }) {
    for (const { typed, objects: wanted } of expected.searches) {
        await page.locator("main h2").first().focus();
        await page.keyboard.press("/");
        await page.keyboard.type(typed);
        await page.keyboard.press("Enter");
        await page.waitForFunction(hash => location.hash === hash, `#/search/${encodeURIComponent(typed)}`);
        const said = await text(page.locator("section[aria-labelledby=search] p").first());
        assert.match(said, new RegExp(`^${grouped(wanted)} objects? with`), typed);
    }
    await page.goBack();
}

async function warnings({ page, expected }) {
    const said = await page.locator(".warnings li").allInnerTexts();
    if (expected.left_out)
        assert.ok(said.some(line => line.includes(`None of the other ${grouped(expected.left_out)} retains more than ${grouped(expected.most[0])} bytes`)), said.join());
    for (const words of expected.caveats)
        assert.ok(said.some(line => line.includes(words)), `${said} does not say ${words}`);
    assert.equal(said.length, (expected.left_out ? 1 : 0) + expected.caveats.length);
}

// No name became more than text, and nothing that a script of it could do would work.
async function isSealed({ page }) {
    const found = await page.evaluate(async () => {
        const violated = new Set();
        addEventListener("securitypolicyviolation", event => violated.add(event.effectiveDirective));
        const tries = {};
        const attempt = (name, what) => { try { what(); tries[name] = "worked"; } catch { tries[name] = "refused"; } };
        attempt("markup", () => { document.createElement("p").innerHTML = "<b>x</b>"; });
        attempt("script", () => { document.createElement("script").text = "1"; });
        attempt("eval", () => { setTimeout("window.attacked = 1", 0); });
        await fetch("http://127.0.0.1:9/").catch(() => {});
        new Image().src = "http://127.0.0.1:9/";
        const frame = document.createElement("iframe");
        frame.src = "http://127.0.0.1:9/";
        document.body.append(frame);
        for (let waits = 0; waits < 100 && violated.size < 4; waits++)
            await new Promise(done => setTimeout(done, 20));
        frame.remove();
        return { tries, violated: [...violated].sort(), attacked: window.attacked,
            elements: document.querySelectorAll("img, iframe, object, embed, link, svg, base, [onerror], [onload]").length,
            scripts: document.scripts.length };
    });
    assert.deepEqual(found, { tries: { markup: "refused", script: "refused", eval: "refused" },
        violated: ["connect-src", "frame-src", "img-src", "require-trusted-types-for"], attacked: undefined, elements: 0, scripts: 1 });
}

async function hasNoHidden({ page }) {
    const all = await page.evaluate(() => document.body.innerText);
    assert.doesNotMatch(all, /[\u0001-\u0008\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
}

async function measure({ page, name, expected }) {
    const times = await timeClicks(page, [`#/search/${encodeURIComponent(expected.type)}`,
        ...expected.asked.slice(0, 4).map(object => `#/object/${object.address}`)]);
    console.log(`${name}: from a click to the paint, ms: ${times.map(([what, took]) => `${what.slice(0, 24)} ${took.toFixed(0)}`).join(", ")}`);
    console.log(`${name}: the longest ${Math.max(...times.map(([, took]) => took)).toFixed(0)} ms`);
}

async function takePictures({ page, name, expected }) {
    const shots = [["summary", "#/"], ["map", "#/map"], ["types", "#/types"], ["cycles", "#/cycles"], ["object", `#/object/${expected.asked[0].address}`]];
    for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        for (const [what, hash] of shots) {
            await page.evaluate(place => { location.hash = place; }, hash);
            await page.waitForTimeout(50);
            await page.screenshot({ path: join(pictures, `page-${name}-${what}-${scheme}.png`) });
        }
    }
}

// A page whose heap was written by somebody else: hidden characters in each text, numbers that name nothing.
async function forged({ page, expected }) {
    const places = ["", "leaks", "leak/0", "cycles", "cycle/0", "types", "type/0", "type/-1", "map", "sites", "site/0", "search/member",
        "nowhere", "object/%", "toString", ...expected.addresses.flatMap(address => [`object/${address}`, `map/${address}`])];
    for (const place of places) {
        await page.evaluate(to => new Promise(done => {
            addEventListener("hashchange", done, { once: true });
            location.hash = to;
        }), `#/${place || "?"}`);
        await arrives(page, /./);
        await hasNoHidden({ page });
    }
    assert.ok((await page.evaluate(() => document.body.innerText)).includes("\\u202e"));
}

for (const { name, file, expected } of JSON.parse(readFileSync(cases, "utf8"))) {
    const started = performance.now();
    const opened = await openPage(browser, file);
    console.log(`${name}: ${expected.objects ?? "some"} objects, opened in ${(performance.now() - started).toFixed(0)} ms`);
    const { page } = opened;
    for (const step of expected.addresses ? [forged] : [headline, warnings, leaks, cycles, types, objects, crowds, walk, map, narrow, resized, nowhere, search, measure, takePictures]) {
        await step({ page, name, expected }).catch(error => {
            error.message = `${name}, ${step.name}: ${error.message}`;
            throw error;
        });
        opened.check();
        await hasNoHidden({ page });
    }
    opened.wrong.length = 0;
    await isSealed({ page });
    await page.close();
}
await browser.close();
console.log("every page said what refheap says");
