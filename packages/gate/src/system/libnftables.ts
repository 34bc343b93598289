import koffi from 'koffi';

interface Library {
  readonly new: (flags: number) => unknown;
  readonly free: (context: unknown) => void;
  readonly bufferOutput: (context: unknown) => number;
  readonly bufferError: (context: unknown) => number;
  readonly errorText: (context: unknown) => string | null;
  readonly run: (context: unknown, commands: string) => number;
}

/** The library's name: Debian's package libnftables1, Fedora's nftables-libs. */
export const LIBNFTABLES = 'libnftables.so.1';

let loaded: Library | undefined;

function load(): Library {
  if (loaded !== undefined) return loaded;
  const library = koffi.load(LIBNFTABLES);
  loaded = {
    new: library.func('void *nft_ctx_new(uint32_t flags)') as Library['new'],
    free: library.func('void nft_ctx_free(void *ctx)') as Library['free'],
    bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)') as Library['bufferOutput'],
    bufferError: library.func('int nft_ctx_buffer_error(void *ctx)') as Library['bufferError'],
    errorText: library.func('const char *nft_ctx_get_error_buffer(void *ctx)') as Library['errorText'],
    run: library.func('int nft_run_cmd_from_buffer(void *ctx, const char *buf)') as Library['run'],
  };
  return loaded;
}

/** Whether the library is on this host. */
export function libnftablesPresent(): boolean {
  try {
    load();
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs nft commands as one transaction in the calling thread's network namespace, and returns the error's text, empty on success.
 * Throws when the library is missing. The library ends the whole process when the kernel has no netfilter netlink: make sure first
 * that it has ({@link import('./netlink.ts').NetlinkSocket}).
 */
export function runNft(commands: string): string {
  const library = load();
  const context = library.new(0);
  try {
    library.bufferOutput(context);
    library.bufferError(context);
    if (library.run(context, commands) === 0) return '';
    return (library.errorText(context) ?? '').trim() || 'unknown error';
  } finally {
    library.free(context);
  }
}
