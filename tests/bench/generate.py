"""Makes documents for scripts/bench: commissioning events, sound and each unit new.

    generate.py ordered|random|hundred COUNT FILE

ordered, random: one EPC an event, its serials rising or at random; hundred: 100 EPCs an event, at random.
"""

import datetime
import random
import sys

PREFIX = "9527001"
# Of late, and for ten million events in the past: an event that is old or of the future is a finding.
START = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(days=30)
PRODUCTS = 12
EVENTS_PER_LOT = 400

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:1" xmlns:cbvmda="urn:epcglobal:cbv:mda"
    xmlns:sbdh="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
    schemaVersion="1.2" creationDate="2025-06-02T09:00:00Z">
  <EPCISHeader>
    <sbdh:StandardBusinessDocumentHeader>
      <sbdh:HeaderVersion>1.0</sbdh:HeaderVersion>
      <sbdh:Sender><sbdh:Identifier Authority="SGLN">urn:epc:id:sgln:{prefix}.00001.0</sbdh:Identifier></sbdh:Sender>
      <sbdh:Receiver><sbdh:Identifier Authority="SGLN">urn:epc:id:sgln:9527002.00001.0</sbdh:Identifier></sbdh:Receiver>
      <sbdh:DocumentIdentification>
        <sbdh:Standard>EPCglobal</sbdh:Standard>
        <sbdh:TypeVersion>1.0</sbdh:TypeVersion>
        <sbdh:InstanceIdentifier>bench-{kind}-{count}</sbdh:InstanceIdentifier>
        <sbdh:Type>Events</sbdh:Type>
        <sbdh:CreationDateAndTime>2025-06-02T09:00:00Z</sbdh:CreationDateAndTime>
      </sbdh:DocumentIdentification>
    </sbdh:StandardBusinessDocumentHeader>
  </EPCISHeader>
  <EPCISBody>
    <EventList>
"""

EVENT = """      <ObjectEvent>
        <eventTime>{time}Z</eventTime>
        <recordTime>{time}Z</recordTime>
        <eventTimeZoneOffset>-05:00</eventTimeZoneOffset>
        <epcList>
{epcs}        </epcList>
        <action>ADD</action>
        <bizStep>urn:epcglobal:cbv:bizstep:commissioning</bizStep>
        <disposition>urn:epcglobal:cbv:disp:active</disposition>
        <readPoint><id>urn:epc:id:sgln:{prefix}.00001.L{line}</id></readPoint>
        <bizLocation><id>urn:epc:id:sgln:{prefix}.00001.0</id></bizLocation>
        <extension>
          <ilmd>
            <cbvmda:lotNumber>{lot}</cbvmda:lotNumber>
            <cbvmda:itemExpirationDate>{expiry}</cbvmda:itemExpirationDate>
          </ilmd>
        </extension>
      </ObjectEvent>
"""

TAIL = """    </EventList>
  </EPCISBody>
</epcis:EPCISDocument>
"""


def serials(kind, chance):
    used, number = set(), 10**12
    while True:
        if kind == "ordered":
            number += 1
        else:
            number = chance.randrange(10**12, 10**13)
            if number in used:
                continue
            used.add(number)
        yield number


def write(path, kind, count):
    """Writes the document; the EPCs in it."""
    chance = random.Random(f"bench {kind}")
    per_event = 100 if kind == "hundred" else 1
    new_serial = serials(kind, chance)
    with open(path, "w", encoding="ascii") as file:
        file.write(HEAD.format(prefix=PREFIX, kind=kind, count=count))
        for number in range(count):
            # Lots come one after the other where serials do, and beside each other where they do not.
            lot = number // EVENTS_PER_LOT if kind == "ordered" else chance.randrange(1 + count // EVENTS_PER_LOT)
            product = lot % PRODUCTS
            time = START + datetime.timedelta(milliseconds=180 * number)
            epcs = "".join(f"          <epc>urn:epc:id:sgtin:{PREFIX}.0{30000 + product}.{next(new_serial)}</epc>\n"
                           for _ in range(per_event))
            file.write(EVENT.format(
                time=time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}", epcs=epcs,
                prefix=PREFIX, line=product % 4, lot=f"BN{lot:06d}",
                expiry=(datetime.date(2028, 1, 31) + datetime.timedelta(days=lot % 300)).isoformat()))
        file.write(TAIL)
    return count * per_event


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("ordered", "random", "hundred"):
        sys.exit(__doc__)
    print(write(sys.argv[3], sys.argv[1], int(sys.argv[2])))
