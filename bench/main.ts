/**
 * npm run bench                                   all suites of bench/suites
 * npm run bench -- hash inflate                   some of them
 * npm run bench -- images [redis python …]        builds the real images
 * npm run bench -- peers [--images redis,huge] [--runs 3] [--tools gantry,docker]
 * npm run bench -- start [--runs 15] [--tools gantry,podman] [--network bridge]   `run --rm IMAGE true` beside the peers' own;
 *                     with a bridge: unshare --net sh -c 'ip link set lo up && npm run bench -- start --network bridge'
 * npm run bench -- containers [--count 100] [--tools gantry,podman]   many of `run -d` at once, and what shims take
 * npm run bench -- save [--images redis] [--runs 3] [--tools gantry,docker]   save to and load from an lz4 archive
 * --json FILE: where the numbers go besides the table (default bench/results/<what>.json)
 */
import { parseArgs } from 'node:util';
import { machine, machineLine, markdownTable, writeResults } from './harness/report.js';
import { runSuite } from './harness/suite.js';
import { SUITES, type SuiteName } from './harness/suites.js';
import { ensureImage } from './images/build.js';
import { IMAGE_NAMES, type ImageName } from './images/recipes.js';
import { archivesTable, compareArchives } from './peers/archives.js';
import { compareMany, manyTable } from './peers/many.js';
import { comparePeers, peersTable } from './peers/peers.js';
import { compareStarts, startsTable } from './peers/starts.js';

const say = (line: string): void => console.log(line);
const note = (line: string): void => console.error(line);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string' },
    runs: { type: 'string' },
    network: { type: 'string' },
    count: { type: 'string', default: '100' },
    tools: { type: 'string' },
    json: { type: 'string' },
  },
});

function imageNames(list: readonly string[]): ImageName[] {
  const unknown = list.find((name) => !(IMAGE_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new Error(`image: expected one of ${IMAGE_NAMES.join(', ')}, found ${unknown}`);
  return list.length === 0 ? [...IMAGE_NAMES] : (list as ImageName[]);
}

async function images(names: readonly string[]): Promise<void> {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const rows: string[][] = [];
  for (const name of imageNames(names)) {
    const facts = await ensureImage(name, note);
    for (const [index, layer] of facts.layers.entries()) {
      rows.push([`${name} layer ${index + 1}`, mb(layer.tarSize), mb(layer.size), `${layer.entries}`, '']);
    }
    const sum = (key: 'tarSize' | 'size' | 'entries'): number =>
      facts.layers.reduce((total, layer) => total + layer[key], 0);
    rows.push([
      `${name}: ${facts.dir}`,
      mb(sum('tarSize')),
      mb(sum('size')),
      `${sum('entries')}`,
      facts.buildSeconds.toFixed(0),
    ]);
  }
  say(markdownTable(['image', 'MB', 'MB compressed', 'entries', 'build s'], rows));
}

async function peers(): Promise<void> {
  const facts = machine();
  const results = await comparePeers({
    images: imageNames(values.images?.split(',') ?? []),
    runs: Number(values.runs ?? 3),
    tools: values.tools?.split(','),
    log: note,
  });
  say(`${machineLine(facts)}\n`);
  for (const result of results) say(peersTable(result));
  writeResults(values.json ?? 'bench/results/peers.json', facts, results);
}

async function starts(): Promise<void> {
  const facts = machine();
  const results = await compareStarts({
    runs: Number(values.runs ?? 15),
    tools: values.tools?.split(','),
    network: values.network === 'bridge' ? 'bridge' : 'none',
    log: note,
  });
  say(`${machineLine(facts)}\n\n${startsTable(results)}`);
  writeResults(values.json ?? 'bench/results/start.json', facts, results);
}

async function save(): Promise<void> {
  const facts = machine();
  const results = await compareArchives({
    image: imageNames(values.images?.split(',') ?? ['redis'])[0]!,
    runs: Number(values.runs ?? 3),
    tools: values.tools?.split(','),
    log: note,
  });
  say(`${machineLine(facts)}\n\n${archivesTable(results)}`);
  writeResults(values.json ?? 'bench/results/save.json', facts, results);
}

async function many(): Promise<void> {
  const facts = machine();
  const results = await compareMany({
    count: Number(values.count),
    tools: values.tools?.split(','),
    log: note,
  });
  say(`${machineLine(facts)}\n\n${manyTable(results)}`);
  writeResults(values.json ?? 'bench/results/containers.json', facts, results);
}

async function suites(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !(name in SUITES));
  if (unknown !== undefined)
    throw new Error(`suite: expected one of ${Object.keys(SUITES).join(', ')}, found ${unknown}`);
  const facts = machine();
  say(`${machineLine(facts)}\n`);
  for (const name of (names.length === 0 ? Object.keys(SUITES) : names) as SuiteName[]) {
    const results = await runSuite(await SUITES[name]());
    say(`${name}\n\n${results.table}\n`);
    writeResults(values.json ?? `bench/results/${name}.json`, facts, results.rows);
  }
}

const [what, ...rest] = positionals;
if (what === 'images') await images(rest);
else if (what === 'peers') await peers();
else if (what === 'start') await starts();
else if (what === 'containers') await many();
else if (what === 'save') await save();
else await suites(positionals);
