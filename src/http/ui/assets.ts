/**
 * The files of the dashboard. Beside the sources they are built when they are first asked for; in the bundle, scripts/build.ts
 * puts a module with their contents in place of this one.
 */
export interface UiAsset {
  readonly type: string;
  readonly body: string;
}

/** By file name; `index.html` is the page. */
export type UiAssets = Readonly<Record<string, UiAsset>>;

export async function loadAssets(): Promise<UiAssets> {
  // Not for whoever follows imports: the server does not contain its build.
  const builder = new URL('../../../scripts/ui-assets.ts', import.meta.url).href;
  const { buildUiAssets } = (await import(builder)) as { readonly buildUiAssets: () => Promise<UiAssets> };
  return buildUiAssets();
}
