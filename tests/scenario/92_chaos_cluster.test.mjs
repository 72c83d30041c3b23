import { mixture } from '../faults/mixture.mjs'

mixture('cluster', 8, ['failover-behind', 'reshard'])
