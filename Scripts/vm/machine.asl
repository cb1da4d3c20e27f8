// A battery, an AC adapter and a thermal zone whose readings the guest itself sets: an SSDT for QEMU's `-acpitable`.
//
// The values lie in bytes 0x60 to 0x63 of the clock's memory (CMOS), which the guest writes through /dev/port: index and
// data in one write of two bytes, else the kernel's own reads come between.
//   0x60 battery, percent   0x61 battery, state (1 discharging, 2 charging, 0 full)   0x62 mains (0, 1)   0x63 degrees C
// The zone's passive trip is 65 C, its critical one 120 C. The kernel reads the zone every second.
DefinitionBlock ("machine.aml", "SSDT", 2, "FOG", "FOGVM", 1)
{
  Scope (\_SB)
  {
    OperationRegion (CMIO, SystemIO, 0x70, 2)
    Field (CMIO, ByteAcc, NoLock, Preserve) { CIDX, 8, CDAT, 8 }
    IndexField (CIDX, CDAT, ByteAcc, NoLock, Preserve) { Offset (0x60), BPCT, 8, BSTA, 8, BACX, 8, BTMP, 8 }
    Device (BAT0)
    {
      Name (_HID, EisaId ("PNP0C0A"))
      Name (_UID, 1)
      Name (_PCL, Package () { \_SB })
      Method (_STA) { Return (0x1F) }
      Method (_BIF) { Return (Package () { 1, 5000, 5000, 1, 11400, 500, 250, 1, 1, "FOGBAT", "0001", "LION", "FOG" }) }
      Method (_BST)
      {
        Local0 = Package (4) { 0, 1000, 0, 11400 }
        Local0[0] = BSTA
        Local0[2] = BPCT * 50
        Return (Local0)
      }
    }
    Device (AC0)
    {
      Name (_HID, "ACPI0003")
      Name (_PCL, Package () { \_SB })
      Method (_PSR) { Return (BACX) }
      Method (_STA) { Return (0x0F) }
    }
    ThermalZone (TZ0)
    {
      // Tenths of a kelvin.
      Method (_TMP) { Return (2732 + (BTMP * 10)) }
      Method (_CRT) { Return (3932) }
      Method (_HOT) { Return (3832) }
      Method (_PSV) { Return (3382) }
      Name (_TZP, 10)
      Name (_PSL, Package () { })
      Name (_TC1, 1)
      Name (_TC2, 1)
      Name (_TSP, 20)
    }
  }
}
