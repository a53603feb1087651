import type { AnyCommand } from './command.ts';
import { completion } from './commands/about/completion.ts';
import { version } from './commands/about/version.ts';
import { list as auditList } from './commands/audit/list.ts';
import { login as authLogin } from './commands/auth/login.ts';
import { logout as authLogout } from './commands/auth/logout.ts';
import { status as authStatus } from './commands/auth/status.ts';
import { verify as authVerify } from './commands/auth/verify.ts';
import { create as clientsCreate } from './commands/clients/create.ts';
import { remove as clientsDelete } from './commands/clients/delete.ts';
import { get as clientsGet } from './commands/clients/get.ts';
import { list as clientsList } from './commands/clients/list.ts';
import { rotateSecret as clientsRotateSecret } from './commands/clients/rotate-secret.ts';
import { update as clientsUpdate } from './commands/clients/update.ts';
import { apply } from './commands/config/apply.ts';
import { exportConfig } from './commands/config/export.ts';
import { validate } from './commands/config/validate.ts';
import { add as contextAdd } from './commands/context/add.ts';
import { list as contextList } from './commands/context/list.ts';
import { remove as contextRemove } from './commands/context/remove.ts';
import { show as contextShow } from './commands/context/show.ts';
import { use as contextUse } from './commands/context/use.ts';
import { evict as jwksEvict } from './commands/jwks/evict.ts';
import { keys as jwksKeys } from './commands/jwks/keys.ts';
import { refresh as jwksRefresh } from './commands/jwks/refresh.ts';
import { rotate as jwksRotate } from './commands/jwks/rotate.ts';
import { status as jwksStatus } from './commands/jwks/status.ts';
import { generate as keysGenerate } from './commands/keys/generate.ts';
import { get as keysGet } from './commands/keys/get.ts';
import { list as keysList } from './commands/keys/list.ts';
import { renew as keysRenew } from './commands/keys/renew.ts';
import { revoke as keysRevoke } from './commands/keys/revoke.ts';
import { rotate as keysRotate } from './commands/keys/rotate.ts';
import { abort as keysRotationsAbort } from './commands/keys/rotations/abort.ts';
import { finish as keysRotationsFinish } from './commands/keys/rotations/finish.ts';
import { list as keysRotationsList } from './commands/keys/rotations/list.ts';
import { status as keysRotationsStatus } from './commands/keys/rotations/status.ts';
import { update as keysUpdate } from './commands/keys/update.ts';
import { usage as keysUsage } from './commands/keys/usage.ts';
import { list as nodesList } from './commands/nodes/list.ts';
import { status as nodesStatus } from './commands/nodes/status.ts';
import { create as nodesTokenCreate } from './commands/nodes/token/create.ts';
import { list as nodesTokenList } from './commands/nodes/token/list.ts';
import { revoke as nodesTokenRevoke } from './commands/nodes/token/revoke.ts';
import { configure as oauth2Configure } from './commands/oauth2/configure.ts';
import { remove as oauth2Delete } from './commands/oauth2/delete.ts';
import { get as oauth2Get } from './commands/oauth2/get.ts';
import { list as oauth2List } from './commands/oauth2/list.ts';
import { list as revisionsList } from './commands/revisions/list.ts';
import { get as routesGet } from './commands/routes/get.ts';
import { list as routesList } from './commands/routes/list.ts';
import { test as routesTest } from './commands/routes/test.ts';
import { list as secretsList } from './commands/secrets/list.ts';
import { rotatePepper as secretsRotatePepper } from './commands/secrets/rotate-pepper.ts';
import { set as secretsSet } from './commands/secrets/set.ts';
import { status as secretsStatus } from './commands/secrets/status.ts';
import { sign } from './commands/sign.ts';
import { create as tokensCreate } from './commands/tokens/create.ts';
import { list as tokensList } from './commands/tokens/list.ts';
import { revoke as tokensRevoke } from './commands/tokens/revoke.ts';

/**
 * Run code by command. One chunk holds them all: they are small, and on Node 20 a file more costs a start more than the
 * code in it. What is heavy (network, YAML, prompts, colours, the judge of configurations) is imported where it is used.
 */
export const COMMANDS: Readonly<Record<string, AnyCommand>> = {
  'jwks status': jwksStatus,
  'jwks refresh': jwksRefresh,
  'jwks evict': jwksEvict,
  'keys generate': keysGenerate,
  'keys list': keysList,
  'keys get': keysGet,
  'keys update': keysUpdate,
  'keys renew': keysRenew,
  'keys revoke': keysRevoke,
  'keys usage': keysUsage,
  'keys rotate': keysRotate,
  'keys rotations list': keysRotationsList,
  'keys rotations status': keysRotationsStatus,
  'keys rotations finish': keysRotationsFinish,
  'keys rotations abort': keysRotationsAbort,
  validate: validate,
  apply: apply,
  export: exportConfig,
  'revisions list': revisionsList,
  'audit list': auditList,
  'nodes list': nodesList,
  'nodes status': nodesStatus,
  'nodes token create': nodesTokenCreate,
  'nodes token list': nodesTokenList,
  'nodes token revoke': nodesTokenRevoke,
  'routes list': routesList,
  'routes get': routesGet,
  'routes test': routesTest,
  'secrets set': secretsSet,
  'secrets list': secretsList,
  'secrets status': secretsStatus,
  'secrets rotate-pepper': secretsRotatePepper,
  'auth login': authLogin,
  'auth status': authStatus,
  'auth logout': authLogout,
  'auth verify': authVerify,
  'oauth2 configure': oauth2Configure,
  'oauth2 list': oauth2List,
  'oauth2 get': oauth2Get,
  'oauth2 delete': oauth2Delete,
  'clients create': clientsCreate,
  'clients list': clientsList,
  'clients get': clientsGet,
  'clients update': clientsUpdate,
  'clients rotate-secret': clientsRotateSecret,
  'clients delete': clientsDelete,
  'jwks rotate': jwksRotate,
  'jwks keys': jwksKeys,
  sign: sign,
  'tokens create': tokensCreate,
  'tokens list': tokensList,
  'tokens revoke': tokensRevoke,
  'context list': contextList,
  'context use': contextUse,
  'context show': contextShow,
  'context add': contextAdd,
  'context remove': contextRemove,
  version: version,
  completion: completion,
};
