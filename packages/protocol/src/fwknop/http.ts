/** A packet in the path of an HTTP request (RFC 9112), with `-` and `_` for `+` and `/`. */
import { ascii } from '../bytes.ts';

/** How a request is made. */
export interface FwknopHttp {
  /** Name or address of the server, as the Host header has it. */
  readonly host: string;
  /** fwknop's client sends `Fwknop/` and its version; its server wants the word. */
  readonly userAgent: string;
  /** The request goes to a proxy: its line names the server. */
  readonly proxy?: boolean;
}

/**
 * The whole request, as fwknop's client sends it.
 *
 * @throws RangeError if host or user agent hold a control character, or the host a space
 */
export function encodeFwknopHttp(payload: Uint8Array, { host, userAgent, proxy = false }: FwknopHttp): string {
  if (!/^[!-~]+$/.test(host)) throw new RangeError('host: printable ASCII without spaces expected');
  if (!/^[ -~]+$/.test(userAgent)) throw new RangeError('user agent: printable ASCII expected');
  const path = String.fromCharCode(...payload)
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const lines = [
    `GET ${proxy ? `http://${host}` : ''}/${path} HTTP/1.1`,
    `User-Agent: ${userAgent}`,
    'Accept: */*',
    `Host: ${host}`,
    'Connection: close',
  ];
  return lines.map((line) => `${line}\r\n`).join('') + '\r\n';
}

/** Longest request that is looked at, in bytes: the payload and 1,500 bytes of headers. */
const MOST_REQUEST = 3000;

/**
 * The payload in the path of a request; undefined for what is none. Like fwknopd this reads the path up to the first white space, and
 * wants a User-Agent that begins with `Fwknop` unless `anyUserAgent`. What comes out is not looked at. Total.
 */
export function decodeFwknopHttp(
  bytes: Uint8Array,
  { anyUserAgent = false }: { readonly anyUserAgent?: boolean } = {},
): Uint8Array | undefined {
  if (bytes.length > MOST_REQUEST) return undefined;
  const text = String.fromCharCode(...bytes);
  const path = /^GET \/([A-Za-z0-9_-]{1,1500})(?=\s)/.exec(text)?.[1];
  if (path === undefined || !(anyUserAgent || /\nUser-Agent: *Fwknop/i.test(text))) return undefined;
  return ascii(path.replaceAll('-', '+').replaceAll('_', '/'));
}
