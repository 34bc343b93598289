/** What a stanza of `~/.fwknoprc` is, what is weak in it, and what takes its place. */
import { quote } from '../platform.ts';
import { type Fwknoprc, findStanza, type RcStanza, remarksOf, troubleOf } from './rc-file.ts';
import { usesHmac } from './keys.ts';
import { switchOf } from './read-setting.ts';
import { type Assignment, isVariable, layered, SECRET_VARIABLES, type Settings } from './variables.ts';

/** A stanza, for people. */
export interface StanzaReview {
  readonly name: string;
  /** Of its heading. */
  readonly line: number;
  readonly server: string | undefined;
  readonly opens: string | undefined;
  /** Mode and HMAC. */
  readonly cipher: string;
  /** What is weak, odd or wrong. */
  readonly remarks: readonly string[];
  /** Command lines that take its place. */
  readonly commands: readonly string[];
}

/** All stanzas but [default], which counts in each of them. */
export function reviewStanzas(file: Fwknoprc): StanzaReview[] {
  const usual = findStanza(file, 'default');
  const named = file.stanzas.filter(({ name }) => name.toLowerCase() !== 'default');
  const shared = sharedKeys(named);
  return named.map((stanza) => review(file, stanza, usual, shared));
}

function review(
  file: Fwknoprc,
  stanza: RcStanza,
  usual: RcStanza | undefined,
  shared: ReadonlyMap<string, readonly string[]>,
): StanzaReview {
  const settings = settingsOf(usual, stanza);
  const text = (name: Parameters<Settings['get']>[0]): string | undefined => settings.get(name)?.value;
  const mode = switchOf(settings, 'USE_GPG') ? 'gpg' : (text('ENCRYPTION_MODE') ?? 'cbc').toLowerCase();
  const hmac = usesHmac(settings) ? `HMAC ${(text('HMAC_DIGEST_TYPE') ?? 'sha256').toLowerCase()}` : 'no HMAC';
  const others = stanza.entries.flatMap(({ value }) => shared.get(value) ?? []).filter((name) => name !== stanza.name);
  const wrong = stanza.entries.flatMap((entry) => {
    const trouble = troubleOf(entry);
    return trouble === undefined ? [] : [`wrong: ${file.path}:${entry.line}: ${trouble.what}: ${trouble.hint}`];
  });
  const nat = text('NAT_ACCESS') ?? (switchOf(settings, 'NAT_LOCAL') ? 'local' : undefined);
  const weak: readonly (readonly [boolean, string])[] = [
    [
      !usesHmac(settings),
      'no HMAC: a packet that was seen can be changed and used again, and posternd refuses it by default',
    ],
    [mode === 'ecb' || mode === 'legacy', `the mode ${mode}`],
    [['md5', 'sha1'].includes((text('HMAC_DIGEST_TYPE') ?? '').toLowerCase()), 'an old digest for the HMAC'],
    [text('ALLOW_IP')?.toLowerCase() === 'source', 'ALLOW_IP source: who can change the packet on the way gets in'],
    [settings.has('KEY'), 'a passphrase as the key: one packet is enough to try words on it without end'],
    [
      others.length > 0,
      `it shares a key with ${[...new Set(others)].map((name) => `[${name}]`).join(', ')}: a packet for one server opens the other`,
    ],
    [switchOf(settings, 'RESOLVE_HTTP_ONLY'), 'RESOLVE_HTTP_ONLY: everybody on the way could put in an address'],
  ];
  const host = text('SPA_SERVER');
  return {
    name: stanza.name,
    line: stanza.line,
    server: host,
    opens: nat === undefined ? text('ACCESS') : `${text('ACCESS') ?? '?'} to ${nat}`,
    cipher: `${mode}, ${hmac}`,
    remarks: [
      ...wrong,
      ...weak.filter(([applies]) => applies).map(([, what]) => `weak: ${what}`),
      ...remarksOf(file, stanza).map((remark) => `odd: ${remark}`),
    ],
    commands: commandsFor(stanza.name, text('FW_TIMEOUT'), text('ACCESS')),
  };
}

/** The stanza over the default, as far as it can be read. */
function settingsOf(usual: RcStanza | undefined, stanza: RcStanza): Settings {
  const read = ({ entries }: RcStanza): Assignment[] =>
    entries.flatMap(({ name, value, line }) => (isVariable(name) ? [{ name, value, from: String(line) }] : []));
  return layered(usual === undefined ? [] : read(usual), read(stanza));
}

/** Names of the stanzas by key, of keys that several have. */
function sharedKeys(stanzas: readonly RcStanza[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { name, entries } of stanzas) {
    for (const entry of entries)
      if (SECRET_VARIABLES.has(entry.name)) names.set(entry.value, [...(names.get(entry.value) ?? []), name]);
  }
  return new Map([...names].filter(([, users]) => new Set(users).size > 1));
}

/** What is typed instead. The gate says in the invite what it is called and what it opens. */
function commandsFor(name: string, timeout: string | undefined, access: string | undefined): string[] {
  const host = quote(/^[a-z0-9][a-z0-9.-]*$/.test(name.toLowerCase()) ? name.toLowerCase() : 'HOST');
  const seconds = timeout !== undefined && /^[1-9][0-9]*$/.test(timeout) ? ` --seconds ${timeout}` : '';
  const ssh = access === 'tcp/22' ? [`postern ssh-config ${host}    # plain ssh knocks by itself then`] : [];
  return [`postern join --name ${host}`, `postern knock ${host}${seconds}`, ...ssh];
}
