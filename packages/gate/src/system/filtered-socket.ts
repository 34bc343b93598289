import * as libc from './libc.ts';
import { dropAllFilter, knockFilter, type Layer } from './filter.ts';

/**
 * What the kernel checks for a socket: `tag` = form and tag of a knock, `form` = form only, because the program with that many tags
 * does not fit `net.core.optmem_max`.
 */
export type FilterVariant = 'tag' | 'form';

/** A socket whose filter can be swapped while another process reads from it. It is never without one. */
export class FilteredSocket implements Disposable {
  readonly fd: number;
  readonly #layer: Layer;
  readonly #port: number;
  /** Packets of fwknop's format pass, too: of a UDP socket. */
  fwknop = false;

  constructor(fd: number, layer: Layer, port: number) {
    this.fd = fd;
    this.#layer = layer;
    this.#port = port;
  }

  /**
   * Lets knocks through that carry the tag of one of `tagKeys`, or, where so many do not fit, anything of a knock's form.
   * @throws Error when the kernel takes neither
   */
  hear(tagKeys: readonly Uint8Array[]): FilterVariant {
    const layer = this.#layer;
    const { fwknop } = this;
    const port = this.#port;
    const tags = knockFilter({ layer, port, tagKeys, fwknop });
    if (this.#attach(tags) === 0) return 'tag';
    // The old program counts against optmem_max until the new one is in place. The short one fits beside it; no filter at all would
    // show the sentry other people's traffic for a moment.
    const form = this.#attach(knockFilter({ layer, port, tagKeys: [], fwknop }));
    if (form !== 0) throw new Error(`cannot attach a socket filter: ${libc.errnoName(form)}`);
    return this.#attach(tags) === 0 ? 'tag' : 'form';
  }

  /** Lets nothing through: for a socket that only sends. @throws Error when the kernel refuses */
  deafen(): void {
    const result = this.#attach(dropAllFilter());
    if (result !== 0) throw new Error(`cannot attach a socket filter: ${libc.errnoName(result)}`);
  }

  [Symbol.dispose](): void {
    libc.close(this.fd);
  }

  #attach(program: Uint8Array): number {
    return attachFilter(this.fd, program);
  }
}

/** Puts a filter in place of the one before: 0, or minus the errno, and then the one before is still there. */
export function attachFilter(fd: number, program: Uint8Array): number {
  const { SOL_SOCKET, SO_ATTACH_FILTER } = libc.SOCKET;
  return libc.setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, libc.filterProgram(program).bytes);
}

/** Room for some thousand knocks that wait while the sentry is busy; only what passes the filter takes it. Bytes. */
const RECEIVE_BUFFER = 4 << 20;

/** Gives a socket its receive buffer, beyond the system's limit where that is permitted. */
export function enlargeBuffer(fd: number): void {
  const { SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE } = libc.SOCKET;
  if (libc.setIntOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) === 0) return;
  libc.setIntOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
}
