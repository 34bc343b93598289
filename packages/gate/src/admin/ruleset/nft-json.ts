/** Reads what `nft -j list ruleset` prints (libnftables-json(5)). What is not understood becomes a rule that may do anything. */
import {
  every,
  type BaseChain,
  type Chain,
  type Hook,
  type Owner,
  type Packet,
  type Rule,
  type Ruleset,
  type Table,
  type Tri,
  type Verdict,
} from './model.ts';
import { ABSENT, equals, isObject, matches, valueOf, type Json, type Surroundings } from './nft-match.ts';

/** Statements that let a packet go on as it is. */
const WITHOUT_EFFECT = new Set([
  'counter',
  'log',
  'comment',
  'flow',
  'secmark',
  'ct helper',
  'ct timeout',
  'ct expectation',
]);

const HOOKS: ReadonlySet<string> = new Set(['ingress', 'prerouting', 'input', 'forward', 'output', 'postrouting']);

/** `limit rate 5/second` matches a single packet, `limit rate over …` does not. */
function withinLimit(limit: unknown): Tri {
  return isObject(limit) ? limit['inv'] !== true : undefined;
}

function meterMatches(statement: unknown): Tri {
  if (Array.isArray(statement)) return every(statement.map(meterMatches));
  if (!isObject(statement)) return undefined;
  if ('limit' in statement) return withinLimit(statement['limit']);
  if ('ct count' in statement) return withinLimit(statement['ct count']);
  return 'counter' in statement ? true : undefined;
}

/** Whether a packet gets past a statement; undefined where that is not known. */
function gate(name: string, argument: unknown, packet: Packet, around: Surroundings): Tri {
  switch (name) {
    case 'match':
      return isObject(argument) ? matches(argument, packet, around) : undefined;
    case 'limit':
    case 'ct count':
      return withinLimit(argument);
    case 'meter':
      return isObject(argument) ? meterMatches(argument['stmt']) : undefined;
    case 'set':
      return isObject(argument) && argument['stmt'] !== undefined ? meterMatches(argument['stmt']) : true;
    case 'xt':
      return undefined;
    default:
      return true;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function portOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function simple(name: string, argument: unknown): Verdict | undefined {
  const target = isObject(argument) ? textOf(argument['target']) : undefined;
  switch (name) {
    case 'accept':
    case 'drop':
    case 'reject':
    case 'return':
      return { kind: name };
    case 'continue':
      return { kind: 'next' };
    case 'notrack':
      return { kind: 'untrack' };
    case 'jump':
    case 'goto':
      return target === undefined ? { kind: 'unknown' } : { kind: name, chain: target };
    case 'redirect':
    case 'dnat': {
      const { addr, port } = isObject(argument) ? argument : {};
      if (name === 'dnat' && addr !== undefined && textOf(addr) === undefined) return { kind: 'unknown' };
      if (port !== undefined && portOf(port) === undefined) return { kind: 'unknown' };
      return { kind: 'translate', address: textOf(addr), port: portOf(port) };
    }
    case 'snat':
    case 'masquerade':
      return { kind: 'accept' };
    case 'queue':
    case 'tproxy':
    case 'synproxy':
    case 'fwd':
    case 'xt':
      return { kind: 'unknown' };
    default:
      return undefined;
  }
}

function pair(element: unknown): readonly unknown[] {
  return Array.isArray(element) ? element : [];
}

/** Verdicts of a verdict map: that of the element, or the next rule where there is none. */
function mapped(vmap: Json, packet: Packet, around: Surroundings): readonly Verdict[] {
  const { data } = vmap;
  const key = valueOf(vmap['key'], packet, around);
  const elements =
    typeof data === 'string' ? around.sets.get(data.replace(/^@/, '')) : isObject(data) ? data['set'] : data;
  if (key === ABSENT) return [{ kind: 'next' }];
  if (!Array.isArray(elements)) return [{ kind: 'unknown' }];
  const possible: Verdict[] = [];
  for (const element of elements) {
    const [wanted, verdict] = pair(element);
    const same = equals(key, wanted, around);
    if (same === false || !isObject(verdict)) continue;
    const [name = '', argument] = Object.entries(verdict)[0] ?? [];
    possible.push(simple(name, argument) ?? { kind: 'unknown' });
    if (same === true) return possible;
  }
  return [...possible, { kind: 'next' }];
}

function act(statements: readonly [string, unknown][], packet: Packet, around: Surroundings): readonly Verdict[] {
  const found: Verdict[] = [];
  for (const [name, argument] of statements) {
    if (name === 'vmap') return isObject(argument) ? mapped(argument, packet, around) : [{ kind: 'unknown' }];
    const verdict = simple(name, argument);
    if (verdict === undefined || verdict.kind === 'next') continue;
    found.push(verdict);
    if (verdict.kind !== 'untrack') break;
  }
  return found.length === 0 ? [{ kind: 'next' }] : found;
}

const KNOWN = new Set(['match', 'limit', 'ct count', 'meter', 'set', 'map', 'mangle', 'vmap', 'quota']);

function understood(name: string, argument: unknown): boolean {
  return KNOWN.has(name) || WITHOUT_EFFECT.has(name) || simple(name, argument)?.kind !== undefined;
}

function published(statements: readonly [string, unknown][]): Rule['published'] {
  if (!statements.some(([name]) => name === 'dnat' || name === 'redirect')) return [];
  return statements.flatMap(([name, argument]) => {
    if (name !== 'match' || !isObject(argument) || !isObject(argument['left'])) return [];
    const { payload } = argument['left'];
    if (!isObject(payload) || payload['field'] !== 'dport') return [];
    const protocol = payload['protocol'] === 'udp' ? 'udp' : 'tcp';
    const right: unknown = argument['right'];
    const all: readonly unknown[] = isObject(right) && Array.isArray(right['set']) ? right['set'] : [right];
    return all.flatMap((port) => (typeof port === 'number' ? [{ protocol, port }] : []));
  });
}

function ruleOf(rule: Json, around: Surroundings): Rule {
  const expressions = Array.isArray(rule['expr']) ? rule['expr'].filter(isObject) : [];
  const statements = expressions.flatMap((expression) => Object.entries(expression).slice(0, 1));
  const riddle = expressions.find((expression) =>
    Object.entries(expression).some(([name, argument]) => !understood(name, argument) || name === 'xt'),
  );
  return {
    text: `rule ${String(rule['handle'])}${riddle === undefined ? '' : ` (${JSON.stringify(riddle).slice(0, 80)})`}`,
    test: (packet) => {
      // What never matches ends the rule, whatever stands beside it.
      const gates = statements.map(([name, argument]) => gate(name, argument, packet, around));
      if (gates.includes(false)) return false;
      return riddle === undefined ? every(gates) : undefined;
    },
    act: (packet) =>
      riddle !== undefined && !statements.some(([name, a]) => simple(name, a))
        ? [UNKNOWN]
        : act(statements, packet, around),
    published: published(statements) ?? [],
  };
}

const UNKNOWN: Verdict = { kind: 'unknown' };

/** Families of tables that the packets of this host's services meet. */
type Family = Table['family'];
const FAMILIES: ReadonlySet<unknown> = new Set<Family>(['inet', 'ip', 'ip6', 'netdev']);

function isFamily(value: unknown): value is Family {
  return FAMILIES.has(value);
}

function ownerOf(name: string): Owner {
  return name === 'firewalld' ? 'firewalld' : name === 'postern' ? 'postern' : 'nft';
}

function isHook(value: unknown): value is Hook {
  return typeof value === 'string' && HOOKS.has(value);
}

interface Listed {
  readonly kind: string;
  readonly value: Json;
}

function listed(json: unknown): Listed[] {
  const all: readonly unknown[] = isObject(json) && Array.isArray(json['nftables']) ? json['nftables'] : [];
  return all.filter(isObject).flatMap((entry) => {
    const [kind = '', value] = Object.entries(entry)[0] ?? [];
    return isObject(value) ? [{ kind, value }] : [];
  });
}

/** The names of tables in a ruleset, `ip filter`. */
export function tableNames(json: unknown): string[] {
  return listed(json).flatMap(({ kind, value }) =>
    kind === 'table' ? [`${String(value['family'])} ${String(value['name'])}`] : [],
  );
}

/**
 * The ruleset of a parsed listing. Total: what has another form is passed over.
 *
 * @param skip - tables that are not taken, `ip filter`: those that `iptables-text.ts` reads better
 */
export function parseNft(json: unknown, skip: ReadonlySet<string>): Ruleset {
  const all = listed(json);
  const marks = all.some(({ kind, value }) => kind === 'rule' && JSON.stringify(value['expr']).includes('"mangle"'));
  const base: BaseChain[] = [];
  for (const { kind, value: table } of all) {
    const { family, name } = table;
    if (kind !== 'table' || !isFamily(family) || typeof name !== 'string' || skip.has(`${family} ${name}`)) continue;
    const own = all.filter(({ value }) => value['family'] === family && value['table'] === name);
    const named = new Map(
      own
        .filter((it) => it.kind === 'set' || it.kind === 'map')
        .map(({ value }) => [String(value['name']), Array.isArray(value['elem']) ? value['elem'] : []] as const),
    );
    const around: Surroundings = { sets: named, marks };
    const chains = new Map<string, Chain & { readonly rules: Rule[] }>();
    for (const { kind: what, value } of own) {
      if (what === 'chain') chains.set(String(value['name']), { name: String(value['name']), rules: [] });
    }
    for (const { kind: what, value } of own) {
      if (what === 'rule') chains.get(String(value['chain']))?.rules.push(ruleOf(value, around));
    }
    const it: Table = { family, name, owner: ownerOf(name), chains };
    for (const { kind: what, value } of own) {
      const { hook, prio, policy } = value;
      if (what !== 'chain' || !isHook(hook)) continue;
      const rules = chains.get(String(value['name']))?.rules ?? [];
      base.push({
        ...{ name: String(value['name']), rules, hook, table: it, nat: value['type'] === 'nat' },
        priority: typeof prio === 'number' ? prio : 0,
        policy: policy === 'drop' ? 'drop' : 'accept',
      });
    }
  }
  return { base: base.toSorted((a, b) => a.priority - b.priority) };
}
