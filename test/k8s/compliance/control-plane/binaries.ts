import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** The parts of a control plane, as files. */
export interface Binaries {
  readonly apiServer: string;
  /** Without it: no Deployments, Jobs, default service accounts, cascades. */
  readonly controllerManager: string | undefined;
  readonly scheduler: string | undefined;
}

export const HOW_TO_GET_THEM = [
  'Neither a cluster (KUBECONFIG) nor the binaries of a control plane (KUBEBUILDER_ASSETS) were given.',
  '  a cluster:  scripts/kind-up, or any other; then KUBECONFIG=~/.kube/config npm run compliance',
  '  binaries:   go run sigs.k8s.io/controller-runtime/tools/setup-envtest@latest use -p path   (kube-apiserver, kubectl)',
  '              kube-controller-manager and kube-scheduler from https://dl.k8s.io/release/<version>/bin/linux/amd64/',
  '              then KUBEBUILDER_ASSETS=<folder> npm run compliance',
].join('\n');

/** Those in the folder KUBEBUILDER_ASSETS, by envtest's convention; undefined when there is no kube-apiserver. */
export function findBinaries(): Binaries | undefined {
  const folder = process.env['KUBEBUILDER_ASSETS'];
  if (folder === undefined || folder === '') return undefined;
  const find = (name: string): string | undefined => {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      return undefined;
    }
  };
  const apiServer = find('kube-apiserver');
  if (apiServer === undefined) return undefined;
  return { apiServer, controllerManager: find('kube-controller-manager'), scheduler: find('kube-scheduler') };
}

/** Why nothing can come about that these would do; undefined when all are there. */
export function missingIn({ controllerManager, scheduler }: Binaries): string | undefined {
  const missing = [
    ...(controllerManager === undefined ? ['kube-controller-manager'] : []),
    ...(scheduler === undefined ? ['kube-scheduler'] : []),
  ];
  return missing.length === 0 ? undefined : `no ${missing.join(' and no ')} in KUBEBUILDER_ASSETS`;
}
