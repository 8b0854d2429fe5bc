// memlab.mjs - opens a heap snapshot in memlab, and prints what memlab itself found out: of each object its sizes, and the
// shortest path to it from the root; the largest objects by its analysis of sizes; texts that are there more than once.
//
// Run: memlab.mjs PACKAGES FILE; PACKAGES: the folder node_modules.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [packages, file] = process.argv.slice(2);
const require = createRequire(resolve(packages, "here.js"));
const { getFullHeapFromFile, StringAnalysis } = require("@memlab/heap-analysis");
const { config } = require("@memlab/core");

config.muteConsole = true;
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true; // memlab's progress

// [[name of the reference, id of the node], …], from the root on.
function pathTo(node) {
    const path = [];
    for (let at = node; at.pathEdge; at = at.pathEdge.fromNode) path.unshift([at.pathEdge.name_or_index, at.id]);
    return path;
}

const heap = await getFullHeapFromFile(file);
const objects = {};
heap.nodes.forEach((node) => {
    const { name, type, self_size, retainedSize } = node;
    objects[node.id] = { name, type, size: self_size, retained: retainedSize, path: pathTo(node), dominator: node.dominatorNode?.id };
});
const strings = new StringAnalysis();
await strings.analyzeSnapshotFromFile(file);
const repeated = strings.getTopDuplicatedStringsInCount().map(({ str, n }) => [str, n]);
write(JSON.stringify({ objects, repeated }));
