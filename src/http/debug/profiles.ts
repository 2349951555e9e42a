/** /debug/pprof/ (--enable-pprof): the paths of Go's profiles, with those of Node where there are such. */

import { methodNotAllowed, movedTo, plainStatus, text } from '../http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../http-message.ts';
import type { Routes } from '../routes.ts';

const PREFIX = '/debug/pprof/';
const CPU_SECONDS = 30;
const HEAP_SECONDS = 10;
/** A profile gathers as long as it lasts. */
const SECONDS_MAX = 120;

export type ProfileKind = 'cpu' | 'heap' | 'allocations';

/** Takes profiles of the process. */
export interface Profiler {
  /** The profile as JSON, after `seconds` or when `signal` is aborted. */
  profile(kind: ProfileKind, seconds: number, signal: AbortSignal): Promise<string>;
  /** All objects of the heap. Nothing else goes on meanwhile. */
  heapSnapshot(): AsyncIterable<string>;
}

interface ProfileSpec {
  readonly kind: ProfileKind;
  readonly secondsByDefault: number;
  readonly fileName: string;
}

const PROFILES: Readonly<Record<string, ProfileSpec>> = {
  profile: { kind: 'cpu', secondsByDefault: CPU_SECONDS, fileName: 'profile.cpuprofile' },
  heap: { kind: 'heap', secondsByDefault: HEAP_SECONDS, fileName: 'heap.heapprofile' },
  allocs: { kind: 'allocations', secondsByDefault: HEAP_SECONDS, fileName: 'allocs.heapprofile' },
};

/** What Go has and Node has not, and where to look instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  goroutine: 'There are no goroutines. What the one JavaScript thread does: /debug/pprof/profile.',
  threadcreate: 'Threads are made at the start only. What the JavaScript thread does: /debug/pprof/profile.',
  block: 'Nothing blocks on locks. How long the event loop was held up: nodejs_eventloop_lag_* in /metrics.',
  mutex: 'There are no mutexes. How long the event loop was held up: nodejs_eventloop_lag_* in /metrics.',
  symbol: 'Profiles hold the names of functions already.',
  trace: 'There is no execution trace. What the JavaScript thread does over time: /debug/pprof/profile.',
};

const INDEX = `/debug/pprof/

Profiles of this process, as JSON that Chrome DevTools, speedscope and VS Code open:

profile   CPU profile (.cpuprofile) of ?seconds=${CPU_SECONDS}
heap      sampled allocations of ?seconds=${HEAP_SECONDS} that are still in use at the end (.heapprofile);
          with ?snapshot=true all objects (.heapsnapshot): the server stands still while that is taken
allocs    sampled allocations of ?seconds=${HEAP_SECONDS}, in use or not (.heapprofile)
cmdline   command line, its words separated by NUL

One at a time, of at most ${SECONDS_MAX} seconds. Other paths of Go's pprof tell what there is instead:
${Object.keys(ELSEWHERE).join(', ')}.
`;

/** `load` makes the profiler when the first profile is asked for. */
export function addProfiles(routes: Routes, load: () => Promise<Profiler>, commandLine: () => readonly string[]): void {
  const profiles = new Profiles(load);
  routes.exact(PREFIX.slice(0, -1), ({ method }) => movedTo(PREFIX, method));
  routes.exact(PREFIX, () => text(200, INDEX));
  routes.exact(`${PREFIX}cmdline`, () => text(200, commandLine().join('\0')));
  for (const [name, message] of Object.entries(ELSEWHERE)) {
    routes.exact(`${PREFIX}${name}`, () => plainStatus(501, message));
  }
  for (const [name, spec] of Object.entries(PROFILES)) routes.exact(`${PREFIX}${name}`, profiles.handler(spec));
}

class Profiles {
  readonly #load: () => Promise<Profiler>;
  /** One profile is being taken: two would measure each other. */
  #isBusy = false;

  constructor(load: () => Promise<Profiler>) {
    this.#load = load;
  }

  handler(spec: ProfileSpec): HttpHandler {
    return async (request) => {
      if (request.method !== 'GET') return methodNotAllowed('GET');
      const seconds = Number(request.query.get('seconds') ?? spec.secondsByDefault);
      if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
        return plainStatus(400, `seconds must be above 0 and at most ${SECONDS_MAX}`);
      }
      if (this.#isBusy) return plainStatus(503, 'another profile is being taken');
      this.#isBusy = true;
      const isSnapshot = spec.kind === 'heap' && request.query.get('snapshot') === 'true';
      return isSnapshot ? this.#snapshot() : this.#profile(request, spec, seconds);
    };
  }

  async #profile(request: HttpRequest, { kind, fileName }: ProfileSpec, seconds: number): Promise<HttpResponse> {
    try {
      const profiler = await this.#load();
      return attachment(fileName, await profiler.profile(kind, seconds, request.signal));
    } finally {
      this.#isBusy = false;
    }
  }

  async #snapshot(): Promise<HttpResponse> {
    const free = (): void => {
      this.#isBusy = false;
    };
    try {
      const profiler = await this.#load();
      return attachment('heap.heapsnapshot', thenFree(profiler.heapSnapshot(), free));
    } catch (error) {
      free();
      throw error;
    }
  }
}

async function* thenFree(parts: AsyncIterable<string>, free: () => void): AsyncGenerator<string> {
  try {
    yield* parts;
  } finally {
    free();
  }
}

function attachment(fileName: string, body: string | AsyncIterable<string>): HttpResponse {
  const headers = {
    'Content-Type': 'application/json',
    'Content-Disposition': `attachment; filename="${fileName}"`,
    'X-Content-Type-Options': 'nosniff',
  };
  return { status: 200, headers, body };
}
