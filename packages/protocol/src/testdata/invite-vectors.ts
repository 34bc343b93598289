/** For tests and vectors only: invites, written field by field as in `docs/protocol.md`. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { fromHex, toHex } from '../bytes.ts';
import type { InviteRefusal } from '../invite.ts';
import { integer, staticPublic } from './oracle.ts';
import { seeded } from './seeded.ts';
import { NOW } from './world.ts';

export interface InviteJson {
  name: string;
  seed: string;
  gateKey: string;
  x25519: string;
  xwing: string | null;
  stateId: string;
  addresses: string[];
  port: number;
  expires: number;
  pq: 'required' | 'off';
  services: string[];
}

export interface InviteFile {
  about: string;
  /** `pasted` is `text` as a mail program or terminal may hand it over. */
  valid: { name: string; invite: InviteJson; text: string; pasted: string }[];
  invalid: { name: string; reason: InviteRefusal; text: string }[];
}

type Field = [type: number, value: Uint8Array];

const HEAD = 'postern-invite-1-';

export function makeInvites(): InviteFile {
  const random = seeded('postern invite vectors');
  const small: InviteJson = {
    name: 'home',
    seed: toHex(random(32)),
    gateKey: toHex(random(32)),
    x25519: toHex(staticPublic(1, random(32))),
    xwing: null,
    stateId: toHex(random(8)),
    addresses: ['gate.example'],
    port: 62201,
    expires: NOW,
    pq: 'off',
    services: ['ssh'],
  };
  const large: InviteJson = {
    ...small,
    name: 'Office-2.example_net',
    xwing: toHex(staticPublic(2, random(32))),
    addresses: ['192.0.2.1', '2001:db8::1', 'gate.example'],
    pq: 'required',
    services: ['ssh', 'a-service-name-of-32-characters-'],
  };
  const text = write(fieldsOf(small));
  const largeText = write(fieldsOf(large));
  const without = (type: number): string => write(fieldsOf(small).filter(([other]) => other !== type));
  const withField = (type: number, value: Uint8Array): string =>
    write([...fieldsOf(small).filter(([other]) => other !== type), [type, value] as Field].sort(([a], [b]) => a - b));
  const end = text.slice(-1) === 'A' ? 'B' : 'A';
  return {
    about:
      'Invites of native SPA version 1. Byte strings are hexadecimal, times Unix microseconds. Not made with the code that they test: ' +
      'packages/protocol/src/testdata/make-vectors.ts. The keys are public: never use them.',
    valid: [
      { name: 'suite 1 only', invite: small, text, pasted: ` ${text}\n` },
      {
        name: 'both suites, several addresses and services',
        invite: large,
        text: largeText,
        pasted: broken(largeText),
      },
      {
        name: 'a field that may be skipped',
        invite: small,
        text: write([...fieldsOf(small), [200, utf8ToBytes('later')]]),
        pasted: `${write([...fieldsOf(small), [200, utf8ToBytes('later')]])}\u200b`,
      },
    ],
    invalid: [
      { name: 'nothing', reason: 'not-an-invite', text: '' },
      { name: 'another text', reason: 'not-an-invite', text: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5' },
      { name: 'a later version', reason: 'newer-version', text: text.replace('-1-', '-2-') },
      {
        name: 'an unknown field that may not be skipped',
        reason: 'newer-version',
        text: write([...fieldsOf(small), [12, random(4)]]),
      },
      { name: 'the last character is another', reason: 'damaged', text: text.slice(0, -1) + end },
      { name: 'the last character is missing', reason: 'damaged', text: text.slice(0, -1) },
      { name: 'two characters changed places', reason: 'damaged', text: swap(text, 60) },
      { name: 'a character that base64url has not', reason: 'damaged', text: `${text.slice(0, 40)}+${text.slice(41)}` },
      { name: 'fields in another order', reason: 'damaged', text: write(fieldsOf(small).reverse()) },
      { name: 'no gate key', reason: 'damaged', text: without(3) },
      { name: 'no address', reason: 'damaged', text: without(7) },
      { name: 'suite 2 required and its key missing', reason: 'damaged', text: withField(10, integer(1, 1)) },
      { name: 'port 0', reason: 'damaged', text: withField(8, integer(2, 0)) },
      { name: 'a name that leaves its directory', reason: 'damaged', text: withField(1, utf8ToBytes('../home')) },
      { name: 'a name with a terminal escape', reason: 'damaged', text: withField(1, utf8ToBytes('a\u001b[2J')) },
      { name: 'an address that is an option', reason: 'damaged', text: withField(7, utf8ToBytes('-oProxyCommand=x')) },
      { name: 'a service in capital letters', reason: 'damaged', text: withField(11, utf8ToBytes('SSH')) },
      {
        name: 'a field that ends beyond the text',
        reason: 'damaged',
        text: write([...fieldsOf(small), [200, random(9)]], 4),
      },
    ],
  };
}

function fieldsOf(invite: InviteJson): Field[] {
  return [
    [1, utf8ToBytes(invite.name)],
    [2, fromHex(invite.seed)],
    [3, fromHex(invite.gateKey)],
    [4, fromHex(invite.x25519)],
    ...(invite.xwing === null ? [] : [[5, fromHex(invite.xwing)] as Field]),
    [6, fromHex(invite.stateId)],
    ...invite.addresses.map((address): Field => [7, utf8ToBytes(address)]),
    [8, integer(2, invite.port)],
    [9, integer(8, invite.expires)],
    [10, integer(1, invite.pq === 'required' ? 1 : 0)],
    ...invite.services.map((service): Field => [11, utf8ToBytes(service)]),
  ];
}

/** `cut`: bytes of the last field that are left out. */
function write(fields: Field[], cut = 0): string {
  const all = concatBytes(...fields.flatMap(([type, value]) => [integer(1, type), integer(2, value.length), value]));
  const bytes = all.subarray(0, all.length - cut);
  const checksum = sha256(concatBytes(utf8ToBytes(HEAD), bytes)).subarray(0, 8);
  return HEAD + Buffer.from(concatBytes(bytes, checksum)).toString('base64url');
}

/** In lines of 70 characters, quoted by nobody but indented. */
function broken(text: string): string {
  return text.replaceAll(/.{70}/g, '$&\r\n  ');
}

function swap(text: string, at: number): string {
  for (let i = at; ; i++) {
    if (text[i] !== text[i + 1]) return text.slice(0, i) + (text[i + 1] ?? '') + (text[i] ?? '') + text.slice(i + 2);
  }
}
