/** etcdserverpb.Auth. */
import {
  decodeAuthenticateRequest,
  decodeAuthRoleAddRequest,
  decodeAuthRoleDeleteRequest,
  decodeAuthRoleGetRequest,
  decodeAuthRoleGrantPermissionRequest,
  decodeAuthRoleRevokePermissionRequest,
  decodeAuthUserAddRequest,
  decodeAuthUserChangePasswordRequest,
  decodeAuthUserDeleteRequest,
  decodeAuthUserGetRequest,
  decodeAuthUserGrantRoleRequest,
  decodeAuthUserRevokeRoleRequest,
  encodeAuthDisableResponse,
  encodeAuthEnableResponse,
  encodeAuthenticateResponse,
  encodeAuthRoleAddResponse,
  encodeAuthRoleDeleteResponse,
  encodeAuthRoleGetResponse,
  encodeAuthRoleGrantPermissionResponse,
  encodeAuthRoleListResponse,
  encodeAuthRoleRevokePermissionResponse,
  encodeAuthStatusResponse,
  encodeAuthUserAddResponse,
  encodeAuthUserChangePasswordResponse,
  encodeAuthUserDeleteResponse,
  encodeAuthUserGetResponse,
  encodeAuthUserGrantRoleResponse,
  encodeAuthUserListResponse,
  encodeAuthUserRevokeRoleResponse,
} from '../../gen/rpc.ts';
import { AuthService } from '../../gen/services.ts';
import type { AuthApi } from '../../server/auth-api.ts';
import type { ServerCore } from '../../server/core.ts';
import type { ServiceRegistry } from '../service-registry.ts';

export function registerAuth(registry: ServiceRegistry, core: ServerCore, auth: AuthApi): void {
  registerSwitch(registry, core, auth);
  registerUsers(registry, core, auth);
  registerRoles(registry, core, auth);
}

function registerSwitch(registry: ServiceRegistry, core: ServerCore, auth: AuthApi): void {
  const { AuthEnable, AuthDisable, AuthStatus, Authenticate } = AuthService.methods;
  registry.unary(AuthEnable.path, async (ctx) =>
    encodeAuthEnableResponse(core.withHeader(await auth.submit('authEnable', {}, ctx))),
  );
  registry.unary(AuthDisable.path, async (ctx) =>
    encodeAuthDisableResponse(core.withHeader(await auth.submit('authDisable', {}, ctx))),
  );
  registry.unary(AuthStatus.path, async (ctx) =>
    encodeAuthStatusResponse(core.withHeader(await auth.submit('authStatus', {}, ctx))),
  );
  registry.unary(Authenticate.path, async (ctx, bytes) =>
    encodeAuthenticateResponse(core.withHeader(await auth.authenticate(decodeAuthenticateRequest(bytes), ctx))),
  );
}

function registerUsers(registry: ServiceRegistry, core: ServerCore, auth: AuthApi): void {
  const { UserAdd, UserGet, UserList, UserDelete, UserChangePassword, UserGrantRole, UserRevokeRole } =
    AuthService.methods;
  registry.unary(UserAdd.path, async (ctx, bytes) =>
    encodeAuthUserAddResponse(core.withHeader(await auth.addUser(decodeAuthUserAddRequest(bytes), ctx))),
  );
  registry.unary(UserChangePassword.path, async (ctx, bytes) => {
    const request = decodeAuthUserChangePasswordRequest(bytes);
    return encodeAuthUserChangePasswordResponse(core.withHeader(await auth.changePassword(request, ctx)));
  });
  registry.unary(UserGet.path, async (ctx, bytes) => {
    const request = decodeAuthUserGetRequest(bytes);
    return encodeAuthUserGetResponse(core.withHeader(await auth.submit('authUserGet', request, ctx)));
  });
  registry.unary(UserList.path, async (ctx) =>
    encodeAuthUserListResponse(core.withHeader(await auth.submit('authUserList', {}, ctx))),
  );
  registry.unary(UserDelete.path, async (ctx, bytes) => {
    const request = decodeAuthUserDeleteRequest(bytes);
    return encodeAuthUserDeleteResponse(core.withHeader(await auth.submit('authUserDelete', request, ctx)));
  });
  registry.unary(UserGrantRole.path, async (ctx, bytes) => {
    const request = decodeAuthUserGrantRoleRequest(bytes);
    return encodeAuthUserGrantRoleResponse(core.withHeader(await auth.submit('authUserGrantRole', request, ctx)));
  });
  registry.unary(UserRevokeRole.path, async (ctx, bytes) => {
    const request = decodeAuthUserRevokeRoleRequest(bytes);
    return encodeAuthUserRevokeRoleResponse(core.withHeader(await auth.submit('authUserRevokeRole', request, ctx)));
  });
}

function registerRoles(registry: ServiceRegistry, core: ServerCore, auth: AuthApi): void {
  const { RoleAdd, RoleGet, RoleList, RoleDelete, RoleGrantPermission, RoleRevokePermission } = AuthService.methods;
  registry.unary(RoleAdd.path, async (ctx, bytes) => {
    const request = decodeAuthRoleAddRequest(bytes);
    return encodeAuthRoleAddResponse(core.withHeader(await auth.submit('authRoleAdd', request, ctx)));
  });
  registry.unary(RoleGet.path, async (ctx, bytes) => {
    const request = decodeAuthRoleGetRequest(bytes);
    return encodeAuthRoleGetResponse(core.withHeader(await auth.submit('authRoleGet', request, ctx)));
  });
  registry.unary(RoleList.path, async (ctx) =>
    encodeAuthRoleListResponse(core.withHeader(await auth.submit('authRoleList', {}, ctx))),
  );
  registry.unary(RoleDelete.path, async (ctx, bytes) => {
    const request = decodeAuthRoleDeleteRequest(bytes);
    return encodeAuthRoleDeleteResponse(core.withHeader(await auth.submit('authRoleDelete', request, ctx)));
  });
  registry.unary(RoleGrantPermission.path, async (ctx, bytes) => {
    const request = decodeAuthRoleGrantPermissionRequest(bytes);
    const response = await auth.submit('authRoleGrantPermission', request, ctx);
    return encodeAuthRoleGrantPermissionResponse(core.withHeader(response));
  });
  registry.unary(RoleRevokePermission.path, async (ctx, bytes) => {
    const request = decodeAuthRoleRevokePermissionRequest(bytes);
    const response = await auth.submit('authRoleRevokePermission', request, ctx);
    return encodeAuthRoleRevokePermissionResponse(core.withHeader(response));
  });
}
