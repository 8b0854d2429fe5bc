// clicks.mjs - how long a page of gcexport keeps a person waiting: from a click, or a key, until what it changed is laid out,
// and painted.
//
// Invariant: the first place, where the browser warms up, is in no figure.

// places: parts of the page, "#/types". The objects that a type's page lists first are gone to, too. Returns [what, ms].
export async function timeClicks(page, places) {
    const objects = await page.evaluate(async () => {
        location.hash = "#/type/0";
        await new Promise(done => addEventListener("hashchange", done, { once: true }));
        return [...document.querySelectorAll("main a[href^='#/object/']")].slice(0, 4).map(link => link.getAttribute("href"));
    });
    const all = ["#/", "#/types", "#/type/0", "#/map", "#/cycles", "#/leaks", "#/sites", "#/search/a", ...objects, ...places];
    const took = await page.evaluate(async places => {
        const times = [];
        for (const place of places) {
            const start = performance.now();
            location.hash = place;
            await new Promise(done => addEventListener("hashchange", done, { once: true }));
            await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
            times.push([place, performance.now() - start]);
        }
        return times;
    }, ["#/nowhere", ...all]);
    return [...took.slice(1), await timeControl(page, "sort all of a type", "#/type/0", "th:nth-child(1) button", "click", 0),
        await timeControl(page, "type a letter", "#/search/x", "#q", "input", 80)]; // so long it waits for the next letter
}

async function timeControl(page, what, place, selector, event, pause) {
    const took = await page.evaluate(async ([to, where, event, pause]) => {
        location.hash = to;
        await new Promise(done => addEventListener("hashchange", done, { once: true }));
        const place = document.querySelector(where), start = performance.now();
        place.value = "me";
        place.dispatchEvent(new Event(event, { bubbles: true }));
        await new Promise(done => setTimeout(done, pause));
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
        return performance.now() - start - pause;
    }, [place, selector, event, pause]);
    return [what, took];
}
