/* The words that the standards list. */
#include "common/epcis/cbv.h"

#include <stdlib.h>
#include <string.h>

/* Sorted. */

static const char *const biz_steps[] = {"accepting",
                                        "arriving",
                                        "assembling",
                                        "collecting",
                                        "commissioning",
                                        "consigning",
                                        "creating_class_instance",
                                        "cycle_counting",
                                        "decommissioning",
                                        "departing",
                                        "destroying",
                                        "disassembling",
                                        "dispensing",
                                        "encoding",
                                        "entering_exiting",
                                        "holding",
                                        "inspecting",
                                        "installing",
                                        "killing",
                                        "loading",
                                        "other",
                                        "packing",
                                        "picking",
                                        "receiving",
                                        "removing",
                                        "repackaging",
                                        "repairing",
                                        "replacing",
                                        "reserving",
                                        "retail_selling",
                                        "sampling",
                                        "sensor_reporting",
                                        "shipping",
                                        "staging_outbound",
                                        "stock_taking",
                                        "stocking",
                                        "storing",
                                        "transporting",
                                        "unloading",
                                        "unpacking",
                                        "void_shipping"};

static const char *const dispositions[] = {"active",
                                           "available",
                                           "completeness_inferred",
                                           "completeness_verified",
                                           "conformant",
                                           "container_closed",
                                           "container_open",
                                           "damaged",
                                           "destroyed",
                                           "dispensed",
                                           "disposed",
                                           "encoded",
                                           "expired",
                                           "in_progress",
                                           "in_transit",
                                           "inactive",
                                           "mismatch_class",
                                           "mismatch_instance",
                                           "mismatch_quantity",
                                           "needs_replacement",
                                           "no_pedigree_match",
                                           "non_conformant",
                                           "non_sellable_other",
                                           "partially_dispensed",
                                           "recalled",
                                           "reserved",
                                           "retail_sold",
                                           "returned",
                                           "sellable_accessible",
                                           "sellable_not_accessible",
                                           "stolen",
                                           "unavailable",
                                           "unknown"};

static const char *const transaction_types[] = {"bol",     "cert",    "desadv",    "inv",    "pedigree",
                                                "po",      "poc",     "prodorder", "recadv", "rma",
                                                "testprd", "testres", "upevt"};

static const char *const party_types[] = {"location", "owning_party", "possessing_party"};

static const char *const error_reasons[] = {"did_not_occur", "incorrect_data"};

static const char *const components[] = {"altitude",
                                         "axial_distance",
                                         "azimuth",
                                         "easting",
                                         "elevation_angle",
                                         "height",
                                         "latitude",
                                         "longitude",
                                         "northing",
                                         "polar_angle",
                                         "spherical_radius",
                                         "x",
                                         "y",
                                         "z"};

static const char *const gs1_terms[] = {"ALARM_CONDITION",
                                        "AbsoluteHumidity",
                                        "AbsorbedDose",
                                        "AbsorbedDoseRate",
                                        "Acceleration",
                                        "Altitude",
                                        "AmountOfSubstance",
                                        "AmountOfSubstancePerUnitVolume",
                                        "Angle",
                                        "AngularAcceleration",
                                        "AngularMomentum",
                                        "AngularVelocity",
                                        "Area",
                                        "Capacitance",
                                        "Conductance",
                                        "Conductivity",
                                        "Count",
                                        "Density",
                                        "Dimensionless",
                                        "DoseEquivalent",
                                        "DoseEquivalentRate",
                                        "DynamicViscosity",
                                        "ERROR_CONDITION",
                                        "ElectricCharge",
                                        "ElectricCurrent",
                                        "ElectricCurrentDensity",
                                        "ElectricFieldStrength",
                                        "Energy",
                                        "Exposure",
                                        "Force",
                                        "Frequency",
                                        "Illuminance",
                                        "Inductance",
                                        "Irradiance",
                                        "KinematicViscosity",
                                        "Length",
                                        "LinearMomentum",
                                        "Luminance",
                                        "LuminousFlux",
                                        "LuminousIntensity",
                                        "MagneticFlux",
                                        "MagneticFluxDensity",
                                        "MagneticVectorPotential",
                                        "Mass",
                                        "MassConcentration",
                                        "MassFlowRate",
                                        "MassPerAreaTime",
                                        "MemoryCapacity",
                                        "MolalityOfSolute",
                                        "MolarEnergy",
                                        "MolarMass",
                                        "MolarVolume",
                                        "Power",
                                        "Pressure",
                                        "RadiantFlux",
                                        "RadiantIntensity",
                                        "Radioactivity",
                                        "RelativeHumidity",
                                        "Resistance",
                                        "Resistivity",
                                        "SolidAngle",
                                        "SpecificVolume",
                                        "Speed",
                                        "SurfaceDensity",
                                        "SurfaceTension",
                                        "Temperature",
                                        "Time",
                                        "Torque",
                                        "Voltage",
                                        "Volume",
                                        "VolumeFlowRate",
                                        "VolumeFraction",
                                        "VolumetricFlux",
                                        "Wavenumber"};

#define LIST(list)                                                                                           \
    {                                                                                                        \
        list, sizeof(list) / sizeof(list)[0]                                                                 \
    }

static const struct {
    const char *const *words;
    size_t count;
} lists[] = {
    [CBV_BIZ_STEP] = LIST(biz_steps),         [CBV_DISPOSITION] = LIST(dispositions),
    [CBV_BIZ_TYPE] = LIST(transaction_types), [CBV_PARTY_TYPE] = LIST(party_types),
    [CBV_ERROR_REASON] = LIST(error_reasons), [CBV_COMPONENT] = LIST(components),
    [CBV_GS1_TERM] = LIST(gs1_terms),
};

static int compare_words(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

bool cbv_lists(enum cbv_family family, const char *word)
{
    return bsearch(word, lists[family].words, lists[family].count, sizeof *lists[family].words,
                   compare_words);
}
