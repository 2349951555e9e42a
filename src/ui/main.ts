/** The dashboard: asks the server every two seconds while somebody looks, and shows one of its pages. */
import { Api, ApiError, explain } from './api.ts';
import type { ClusterView } from './cluster-view.ts';
import { button, el, setText } from './dom.ts';
import { KeysPage } from './keys-page.ts';
import { loginPage } from './login.ts';
import type { Metrics } from './metrics-text.ts';
import { Overview, POLL_SECONDS } from './overview.ts';
import { WatchPage } from './watch-page.ts';

const PAGES = ['overview', 'keys', 'watch'] as const;
type PageName = (typeof PAGES)[number];
const TITLES: Readonly<Record<PageName, string>> = { overview: 'Overview', keys: 'Keys', watch: 'Watch' };

class App {
  readonly #api = new Api();
  readonly #overview = new Overview();
  readonly #keys = new KeysPage(this.#api, (error) => this.#failed(error));
  readonly #watch = new WatchPage(this.#api, (error) => this.#failed(error));
  readonly #links = new Map<PageName, HTMLElement>();
  readonly #nav = el('nav');
  readonly #cluster = el('span.cluster.muted');
  readonly #health = el('span.health', { role: 'status' });
  readonly #user = el('span.user');
  readonly #banner = el('p.banner', { role: 'alert' });
  readonly #place = el('div');
  #isLoggingIn = false;
  #isRefused = false;
  /** Undefined until the server has answered. */
  #gateway: boolean | undefined;

  constructor(root: HTMLElement) {
    for (const name of PAGES) this.#links.set(name, el('a', { href: `#/${name}` }, TITLES[name]));
    const brand = el(
      'a.brand',
      { href: '#/overview' },
      el('img', { src: 'icon.svg', alt: '', width: '22' }),
      'quorate',
    );
    this.#nav.append(...this.#links.values());
    root.append(
      el('header.top', {}, brand, this.#cluster, this.#nav, this.#health, this.#user),
      this.#banner,
      this.#place,
    );
  }

  start(): void {
    addEventListener('hashchange', () => this.#route());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#overview.redraw());
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
      if (effectiveDirective === 'connect-src') this.#isRefused = true;
    });
    this.#route();
    void this.#pollForever();
  }

  async #pollForever(): Promise<never> {
    for (;;) {
      const startedMs = performance.now();
      if (!document.hidden && !this.#isLoggingIn) await this.#poll();
      const restMs = POLL_SECONDS * 1000 - (performance.now() - startedMs);
      await new Promise((resolve) => setTimeout(resolve, Math.max(restMs, POLL_SECONDS * 500)));
    }
  }

  async #poll(): Promise<void> {
    const [cluster, metrics] = await Promise.allSettled([this.#api.cluster(), this.#api.metrics()]);
    // Asked with a token that somebody has logged out of meanwhile.
    if (this.#isLoggingIn) return;
    const view: ClusterView | undefined = cluster.status === 'fulfilled' ? cluster.value : undefined;
    const read: Metrics | undefined = metrics.status === 'fulfilled' ? metrics.value : undefined;
    this.#overview.add({ seconds: Date.now() / 1000, metrics: read, cluster: view });
    this.#showHealth(view);
    if (view !== undefined) this.#showCluster(view);
    if (cluster.status === 'rejected') this.#failed(cluster.reason);
    else if (metrics.status === 'rejected') this.#failed(metrics.reason);
    else this.#warn('');
  }

  #showCluster(view: ClusterView): void {
    setText(this.#cluster, `cluster ${view.clusterId}`);
    if (this.#gateway === view.gateway) return;
    this.#gateway = view.gateway;
    if (!view.gateway) this.#route();
  }

  #showHealth(view: ClusterView | undefined): void {
    const answering = view?.members.filter(({ status }) => status !== undefined).length ?? 0;
    const all = view?.members.length ?? 0;
    const isWell = view !== undefined && view.leader !== '0' && view.alarms.length === 0;
    const state = !isWell ? 'bad' : answering < all ? 'warn' : 'good';
    this.#health.className = `health ${state}`;
    const leader = view?.leader === '0' ? 'no leader' : `${answering} of ${all} members answer`;
    setText(this.#health, view === undefined ? 'no answer' : leader);
  }

  #failed(error: unknown): void {
    if (error instanceof ApiError && error.isLoginNeeded) {
      this.#logIn(this.#api.isLoggedIn ? error.message : '');
      return;
    }
    const refused = 'the browser does not let this page ask: the server knows itself by another host name (docs/ui.md)';
    if (error instanceof ApiError) this.#warn(error.message);
    else this.#warn(`${this.#isRefused ? refused : explain(error)}; trying again`);
  }

  #warn(text: string): void {
    setText(this.#banner, text);
  }

  #logIn(reason: string): void {
    if (this.#isLoggingIn) return;
    this.#isLoggingIn = true;
    this.#watch.stop();
    this.#api.logOut();
    this.#user.replaceChildren();
    this.#nav.hidden = true;
    setText(this.#health, '');
    this.#place.replaceChildren(
      loginPage(this.#api, reason, (user) => {
        this.#isLoggingIn = false;
        this.#nav.hidden = false;
        this.#user.replaceChildren(
          user,
          button('Log out', () => this.#logIn('')),
        );
        this.#route();
        void this.#poll();
      }),
    );
  }

  #route(): void {
    if (this.#isLoggingIn) return;
    const [, path = '', query = ''] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) ?? [];
    const name = PAGES.find((page) => page === path) ?? 'overview';
    for (const [page, link] of this.#links) {
      if (page === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.title = name === 'overview' ? 'quorate' : `${TITLES[name]} · quorate`;
    if (name !== 'watch') this.#watch.stop();
    this.#place.replaceChildren(this.#page(name, new URLSearchParams(query)));
  }

  #page(name: PageName, query: URLSearchParams): HTMLElement {
    if (name === 'overview') return this.#overview.element;
    if (this.#gateway === false) {
      const text =
        'Keys are read through the JSON gateway, which this address does not serve: it is switched off ' +
        '(--enable-grpc-gateway), or this is an address for metrics only. The overview works without it.';
      return el('main', {}, el('p.card.notice', {}, text));
    }
    if (name === 'keys') void this.#keys.open(query);
    else this.#watch.open(query);
    return name === 'keys' ? this.#keys.element : this.#watch.element;
  }
}

const root = document.getElementById('app');
if (root !== null) new App(root).start();
