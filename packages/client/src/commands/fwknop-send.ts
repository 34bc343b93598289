import { randomBytes, randomInt } from 'node:crypto';
import { userInfo } from 'node:os';
import process from 'node:process';
import { familyOf, formatAddress } from '@postern/protocol';
import type { FwknopMessage } from '@postern/protocol/fwknop';
import { EXIT, whileWaiting } from '@postern/terminal';
import { appendFwknopFile, writeFwknopFile } from '../fwknop/file.ts';
import { fwknopMessage, IPV6_REMARK, isExtended, userOf } from '../fwknop/message.ts';
import { switchOf } from '../fwknop/read-setting.ts';
import { allowedOf, fwknopRequest, type FwknopRequest, offsetOf, timeoutOf } from '../fwknop/request.ts';
import { type Cipher, cipherOf, type Sealed, sealMessage } from '../fwknop/seal.ts';
import { destinationOf, hostOf, sendPacket } from '../fwknop/send.ts';
import { describePacket, reportPacket } from '../fwknop/show.ts';
import { isOn } from '../fwknop/variables.ts';
import { familyOfWay, type FwknopWay, fwknopWay } from '../fwknop/way.ts';
import { bookOf } from './context.ts';
import type { FwknopRun } from '../fwknop/run.ts';

/** Characters of `-U` that fwknop's client sends. */
const THEIR_USER_MAX = 29;

/** Makes a packet and sends it, or shows it with --test. */
export async function sendFwknop(run: FwknopRun): Promise<number> {
  const { line, io, settings, input, note } = run;
  const random = (below: number): number => randomInt(below);
  const bytes = (size: number): Uint8Array => randomBytes(size);
  const test = line.words.has('test');
  const cipher = cipherOf(settings);
  const way = fwknopWay(settings, random);
  const request = fwknopRequest(settings, random);
  const allowed = allowedOf(settings);
  // A test needs a network only to find out an address.
  const address =
    test && !(allowed === 'resolve' && way.server !== undefined) ? undefined : await destinationOf(way, hostOf(way));
  const source =
    allowed === 'resolve'
      ? await whileWaiting(io, "asking for this device's address", ownAddress(run, way, address))
      : allowed === 'source'
        ? undefined
        : allowed;
  const stamp = {
    source,
    user: userOf(settings.get('SPOOF_USER'), process.env, () => userInfo().username),
    time: Math.floor(Date.now() / 1000) + offsetOf(settings),
    timeout: timeoutOf(settings),
  };
  const message = fwknopMessage(request, stamp, random);
  weaknesses(cipher, message).forEach(note);
  if ((settings.get('SPOOF_USER')?.value.length ?? 0) > THEIR_USER_MAX)
    note(
      `fwknop's client cuts a name to ${THEIR_USER_MAX} characters, this one does not: does the server ask for the whole?`,
    );
  const sealed = await sealMessage(message, cipher, settings, { input, random: bytes });
  if (sealed.forPosterndOnly)
    note(
      'the key of the recipient is an elliptic one: posternd reads such a packet, and fwknopd none but RSA and ElGamal',
    );
  if (switchOf(settings, 'NAT_RAND_PORT')) tellPort(run, request);
  savePacket(run, sealed);
  if (test && line.words.has('json')) io.out(JSON.stringify(reportPacket(sealed, cipher, way)));
  else if (test || isVerbose(run)) io.out(describePacket(sealed, cipher, way));
  if (address === undefined || test) return EXIT.ok;
  await sendPacket(sealed.packet, way, address);
  if (isVerbose(run)) io.err(`postern: sent ${sealed.packet.length} bytes to ${formatAddress(address)}`);
  return EXIT.ok;
}

/** The address that others see this device at: the gate says it, or a page. */
async function ownAddress(run: FwknopRun, way: FwknopWay, address: Uint8Array | undefined): Promise<Uint8Array> {
  const { settings, line, note } = run;
  const { addressByGate, addressByPage, resolvedLine } = await import('../fwknop/resolve-ip.ts');
  const family = familyOfWay(way) ?? (address === undefined ? 4 : familyOf(address));
  const config = line.words.get('config');
  const book = bookOf({ flags: new Set(), values: config === undefined ? {} : { config } });
  // Who names a page wants it asked.
  const asksGate = way.server !== undefined && address !== undefined && !settings.has('RESOLVE_URL');
  const seen = asksGate ? await addressByGate(book, way.server, [address], family) : undefined;
  const found = seen ?? (await addressByPage(settings, way.userAgent, family));
  if (isVerbose(run)) note(resolvedLine(found, seen === undefined ? 'the page that was asked' : 'the gate itself'));
  return found;
}

function weaknesses({ hmac, mode, digest }: Cipher, message: FwknopMessage): string[] {
  const nat = message.kind === 'nat-access' || message.kind === 'local-nat-access';
  const notes: readonly (readonly [boolean, string])[] = [
    [
      message.source === undefined,
      'with -s the server opens for where the packet comes from: who can change it on the way gets in; -R and -a do not have that',
    ],
    [
      hmac === undefined,
      'without an HMAC a packet that was seen can be changed and used again: --use-hmac, and an HMAC key at the server',
    ],
    [mode === 'ecb' || mode === 'legacy', `the mode ${mode} is weak: CBC and CTR are as quick`],
    [digest === 'md5' || digest === 'sha1', `the digest ${digest} is weak: sha256 is the usual one`],
    [nat && message.ports.length > 1, 'with NAT a server looks at the first port of -A only'],
    [isExtended(message), IPV6_REMARK],
  ];
  return notes.filter(([applies]) => applies).map(([, text]) => text);
}

/** A port that was chosen by chance is good for nothing unless it is told. */
function tellPort({ io }: FwknopRun, request: FwknopRequest): void {
  if (request.kind === 'command') return;
  const [first] = request.ports;
  const target = request.kind === 'access' ? 'where the server says' : `${request.nat.host}, port ${request.nat.port}`;
  if (first !== undefined) io.err(`postern: ${first.protocol}/${first.port} will lead to ${target}`);
}

function savePacket({ line: { words } }: FwknopRun, { packet }: Sealed): void {
  const file = words.get('save-packet');
  if (file === undefined) return;
  const text = `${Buffer.from(packet).toString('latin1')}\n`;
  if (words.has('save-packet-append')) appendFwknopFile(file, text);
  else writeFwknopFile(file, text);
}

function isVerbose({ line, settings }: FwknopRun): boolean {
  const set = settings.get('VERBOSE')?.value ?? 'N';
  return line.verbose > 0 || isOn(set) || /^[1-9]$/.test(set);
}
