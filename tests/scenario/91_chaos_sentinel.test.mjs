import { mixture } from '../faults/mixture.mjs'

mixture('sentinel', 8, ['failover-behind', 'zombie-master-behind'])
