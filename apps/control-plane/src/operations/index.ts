import { authVerify } from './auth.verify.ts';
import type { Handlers } from './call.ts';
import { clientsCreate, clientsDelete, clientsGet, clientsList, clientsRotateSecret, clientsUpdate } from './clients.ts';
import { configApply } from './config.apply.ts';
import { configExport } from './config.export.ts';
import { auditList, revisionsConvergence, revisionsList } from './history.ts';
import { jwksIssuerStatus, jwksRotate } from './jwks-issuer.ts';
import { jwksEvict, jwksRefresh, jwksStatus } from './jwks-nodes.ts';
import { keysRenew, keysRevoke } from './keys.end.ts';
import { keysGenerate } from './keys.generate.ts';
import { keysGet, keysList } from './keys.read.ts';
import { keysRotate } from './keys.rotate.ts';
import { keysUpdate } from './keys.update.ts';
import { keysUsage } from './keys.usage.ts';
import { nodesList } from './nodes.ts';
import { oauth2Configure, oauth2Delete, oauth2Get, oauth2List } from './oauth2.ts';
import { rotationsAbort, rotationsFinish, rotationsGet, rotationsList } from './rotations.ts';
import { routesGet, routesList, routesTest } from './routes.ts';
import { secretsList, secretsRotatePepper, secretsSet, secretsStatus } from './secrets.ts';
import {
  adminTokensCreate,
  adminTokensList,
  adminTokensRevoke,
  nodeTokensCreate,
  nodeTokensList,
  nodeTokensRevoke,
} from './tokens.ts';
import { whoami } from './whoami.ts';

/** One owner per operation; the compiler checks that none of the table is missing. */
export const handlers: Handlers = {
  whoami,
  keysGenerate,
  keysList,
  keysGet,
  keysUpdate,
  keysRenew,
  keysRevoke,
  keysRotate,
  keysUsage,
  rotationsList,
  rotationsGet,
  rotationsFinish,
  rotationsAbort,
  secretsSet,
  secretsList,
  secretsStatus,
  secretsRotatePepper,
  nodesList,
  nodeTokensCreate,
  nodeTokensList,
  nodeTokensRevoke,
  adminTokensCreate,
  adminTokensList,
  adminTokensRevoke,
  configApply,
  configExport,
  routesList,
  routesGet,
  routesTest,
  authVerify,
  oauth2Configure,
  oauth2List,
  oauth2Get,
  oauth2Delete,
  jwksStatus,
  jwksRefresh,
  jwksEvict,
  clientsCreate,
  clientsList,
  clientsGet,
  clientsUpdate,
  clientsRotateSecret,
  clientsDelete,
  jwksIssuerStatus,
  jwksRotate,
  revisionsList,
  revisionsConvergence,
  auditList,
};
