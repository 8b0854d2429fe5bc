// links.js - what a place on the page is called, behind the `#`: so that the back button, a bookmark
// and a sentence in a mail work.
//
// Invariant: a place is read as text; what it does not name is not found, and nothing else happens.

export const links = {
    object: (heap, at) => `#/object/${encodeURIComponent(heap.objects[at].address)}`,
    type: number => number === undefined ? "#/types" : `#/type/${number}`,
    site: number => `#/site/${number}`,
    leak: number => `#/leak/${number}`,
    cycle: number => `#/cycle/${number}`,
    map: (heap, at) => at < 0 ? "#/map" : `#/map/${encodeURIComponent(heap.objects[at].address)}`,
    search: text => `#/search/${encodeURIComponent(text)}`,
};

export function placeOf(hash) {
    const parts = hash.replace(/^#\/?/, "").split("/");
    try {
        return parts.map(decodeURIComponent);
    } catch {
        return [""];
    }
}
