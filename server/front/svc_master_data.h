/* epcis.v1.MasterDataService over store_master.h; what is put goes the way of every document, ingest.h. */
#ifndef EPCISD_FRONT_SVC_MASTER_DATA_H
#define EPCISD_FRONT_SVC_MASTER_DATA_H

#include <stddef.h>

#include "server/front/call.h"

extern const struct method svc_master_data_methods[];
extern const size_t svc_master_data_count;

#endif
