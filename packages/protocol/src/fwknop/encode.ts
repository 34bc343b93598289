/**
 * A message as fwknop writes it: fields with colons between them, those that may hold a colon in base64.
 *
 *   random : user : time : version : type : message [: nat] [: server auth] [: timeout] : digest
 */
import { formatAddress } from '../address.ts';
import { BASE64, encodeBase64 } from '../base64.ts';
import { ascii } from '../bytes.ts';
import { type FwknopDigest, digestText } from './digest.ts';
import { HOST, isPort, isSeconds, isText, RANDOM, USER, VERSION } from './field.ts';
import { FWKNOP_LIMITS, fwknopMessageType, type FwknopMessage, type FwknopPort } from './message.ts';

/** The fields without the digest. @throws RangeError, naming the field, for what no server would take */
export function encodeFwknopMessage(message: FwknopMessage): string {
  const { random, user, time, version, serverAuth } = message;
  must(RANDOM.test(random), 'random: 16 digits');
  must(USER.test(user), `user: 1 to ${FWKNOP_LIMITS.user} characters of those that fwknop takes`);
  must(isSeconds(time, 0xffff_ffff), 'time: seconds below 2^32');
  must(VERSION.test(version), `version: 1 to ${FWKNOP_LIMITS.version} characters`);
  const fields = [random, base64(user), String(time), version, String(fwknopMessageType(message))];
  const asked = message.kind === 'command' ? commandText(message.command) : portsText(message.ports);
  const source = message.source === undefined ? '0.0.0.0' : formatAddress(message.source);
  const said = utf8(`${source},${asked}`);
  must(said.length <= FWKNOP_LIMITS.message, `message: at most ${FWKNOP_LIMITS.message} bytes`);
  fields.push(encodeBase64(said, BASE64));
  if (message.kind === 'nat-access' || message.kind === 'local-nat-access') {
    const { host, port } = message.nat;
    must(HOST.test(host), `nat: a host of at most ${FWKNOP_LIMITS.host} characters`);
    must(isPort(port), 'nat: a port from 1 to 65535');
    fields.push(base64(`${host},${port}`));
  }
  if (serverAuth !== undefined) {
    const bytes = utf8(serverAuth);
    const fits = isText(serverAuth) && bytes.length <= FWKNOP_LIMITS.serverAuth;
    must(fits, `server auth: 1 to ${FWKNOP_LIMITS.serverAuth} bytes`);
    fields.push(encodeBase64(bytes, BASE64));
  }
  if (message.kind !== 'command') {
    must(isSeconds(message.timeout, FWKNOP_LIMITS.timeout), `timeout: 0 to ${FWKNOP_LIMITS.timeout} seconds`);
    if (message.timeout > 0) fields.push(String(message.timeout));
  }
  return fields.join(':');
}

/** The fields with their digest: what is encrypted, also by gpg. @throws RangeError like {@link encodeFwknopMessage} */
export function fwknopPlaintext(message: FwknopMessage, digest: FwknopDigest): string {
  const fields = encodeFwknopMessage(message);
  return `${fields}:${digestText(digest, ascii(fields))}`;
}

function commandText(command: string): string {
  must(isText(command), 'command: text without control characters');
  return command;
}

function portsText(ports: readonly FwknopPort[]): string {
  must(ports.length > 0 && ports.every(({ port }) => isPort(port)), 'ports: one or more from 1 to 65535');
  return ports.map(({ protocol, port }) => `${protocol}/${port}`).join(',');
}

function base64(text: string): string {
  return encodeBase64(ascii(text), BASE64);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function must(holds: boolean, expected: string): void {
  if (!holds) throw new RangeError(`fwknop message, ${expected} expected`);
}
