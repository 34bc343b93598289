/** Reads the rulesets that are loaded in this process's network namespace. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parseIptables } from './iptables-text.ts';
import { joinRulesets, type Ruleset } from './model.ts';
import { parseNft, tableNames } from './nft-json.ts';

/** What was read, and what could not be. */
export interface ReadRulesets {
  readonly ruleset: Ruleset;
  /** Why a part is missing, for a person; empty when all is there. */
  readonly troubles: readonly string[];
}

const DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/sbin'];
/** Reading 50,000 elements of a set takes nft a second. Milliseconds. */
const PATIENCE = 20_000;
/** Tables that iptables-nft makes, and that nft cannot tell the whole content of. */
const OF_IPTABLES = ['filter', 'nat', 'mangle', 'raw', 'security'];

function find(program: string): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${program}`).find((path) => existsSync(path));
}

/** What a program prints; undefined when it is missing or fails. */
function output(program: string, ...args: string[]): string | undefined {
  const path = find(program);
  if (path === undefined) return undefined;
  const ran = spawnSync(path, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
    timeout: PATIENCE,
    maxBuffer: 1 << 28,
  });
  return ran.status === 0 ? ran.stdout : undefined;
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Tables of legacy iptables that are loaded; asking for others would load them. */
function legacyTables(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** Chains of iptables have these names and no others: a table of nft's own may be called `filter` too. */
function looksLikeIptables(json: unknown, table: string): boolean {
  const [family, name] = table.split(' ');
  const of = parseNft(json, new Set()).base.filter(
    (chain) => chain.table.family === family && chain.table.name === name,
  );
  return of.length > 0 && of.every((chain) => /^(?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(chain.name));
}

/** Reads the rules of nft, iptables-nft and iptables-legacy. Changes nothing; needs root. */
export function readRulesets(): ReadRulesets {
  const troubles: string[] = [];
  const found: Ruleset[] = [];
  const json = parseJson(output('nft', '-j', 'list', 'ruleset'));
  if (json === undefined) {
    troubles.push(find('nft') === undefined ? 'the program nft is not here' : '`nft -j list ruleset` failed');
  }
  const theirs = tableNames(json).filter(
    (table) =>
      OF_IPTABLES.some((name) => table === `ip ${name}` || table === `ip6 ${name}`) && looksLikeIptables(json, table),
  );
  const read = new Set<string>();
  for (const [family, program, names] of [
    [4, 'iptables', '/proc/net/ip_tables_names'],
    [6, 'ip6tables', '/proc/net/ip6_tables_names'],
  ] as const) {
    const prefix = family === 4 ? 'ip ' : 'ip6 ';
    const own = theirs.filter((table) => table.startsWith(prefix));
    const text = own.length === 0 ? undefined : output(`${program}-nft-save`);
    if (text !== undefined) {
      found.push(parseIptables(text, family, 'nft'));
      for (const table of own) read.add(table);
    }
    if (legacyTables(names).length === 0) continue;
    const legacy = output(`${program}-legacy-save`);
    if (legacy === undefined)
      troubles.push(`\`${program}-legacy-save\` failed, and there are rules of legacy ${program}`);
    else found.push(parseIptables(legacy, family, 'legacy'));
  }
  return { ruleset: joinRulesets([parseNft(json, read), ...found]), troubles };
}
