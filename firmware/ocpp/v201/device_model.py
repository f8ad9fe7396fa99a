"""OCPP 2.0.1's device model: which component has which variable, and what stands behind it: a
setting, which OCPP 1.6 may have too, something that never changes, or a fact (facts.py). Loaded
for a request, or for as long as a report takes."""

from micropython import const

from firmware import lazy

# One line a variable, by components:
#   component variable[/instance] type unit value [values, or the most]
# Each EVSE has a component EVSE, and one Connector, 1. Unit "-": none. Types: b boolean i integer
# d decimal s string t dateTime O OptionList M MemberList Q SequenceList. Value: =setting, with its
# limits; ~setting, read-only here; !what it always is; @: a fact, of which the rest is said too;
# @+: one that monitors can watch.
# What is not here does not act.
_TABLE = (
    "AlignedDataCtrlr Available b - !true",
    "AlignedDataCtrlr Enabled b - !true",
    "AlignedDataCtrlr Interval i s =aligned_s",
    "AlignedDataCtrlr Measurands M - =aligned",
    "AlignedDataCtrlr SendDuringIdle b - =aligned_idle",
    "AlignedDataCtrlr TxEndedInterval i s =stop_aligned_s",
    "AlignedDataCtrlr TxEndedMeasurands M - =stop_aligned",
    "AuthCacheCtrlr Available b - !true",
    "AuthCacheCtrlr DisablePostAuthorize b - =cache_final",
    "AuthCacheCtrlr Enabled b - =cache",
    "AuthCacheCtrlr LifeTime i s =cache_s",
    "AuthCacheCtrlr Policy O - !CUSTOM LRU,LFU,FIFO,CUSTOM",  # (by when something new was heard)
    "AuthCacheCtrlr Storage i B @ 1100",
    "AuthCtrlr AuthorizeRemoteStart b - =remote_authorise",
    "AuthCtrlr DisableRemoteAuthorization b - =unasked",
    "AuthCtrlr Enabled b - !true",
    "AuthCtrlr LocalAuthorizeOffline b - =offline_known",
    "AuthCtrlr LocalPreAuthorize b - =preauthorise",
    "AuthCtrlr MasterPassGroupId s - =master_group",
    "AuthCtrlr OfflineTxForUnknownIdEnabled b - =offline_unknown",
    "ChargingStation AvailabilityState O - @+ Available,Occupied,Reserved,Unavailable,Faulted",
    "ChargingStation Available b - !true",
    "ChargingStation Enabled b - @+",
    "ChargingStation FirmwareVersion s - @",
    "ChargingStation MinimumStatusDuration i s =status_s",
    "ChargingStation Model s - @",
    "ChargingStation Problem b - @+",
    "ChargingStation SerialNumber s - @",
    "ChargingStation SupplyPhases i - @",
    "ChargingStation VendorName s - @",
    "ClockCtrlr DateTime t - @",
    "ClockCtrlr Enabled b - !true",
    "ClockCtrlr TimeSource Q - @ Heartbeat,NTP",
    "Connector AvailabilityState O - @+ Available,Occupied,Reserved,Unavailable,Faulted",
    "Connector Available b - !true",
    "Connector ConnectorType s - @",
    "Connector Enabled b - @+",
    "Connector Problem b - @+",
    "Connector SupplyPhases i - @",
    "ConnectorPlugRetentionLock Problem b - @+",
    "DataLink SignalStrength i dBm @+",  # (of the Wi-Fi)
    "DeviceDataCtrlr BytesPerMessage/GetReport i B !8192",
    "DeviceDataCtrlr BytesPerMessage/GetVariables i B !8192",
    "DeviceDataCtrlr BytesPerMessage/SetVariables i B !8192",
    "DeviceDataCtrlr Enabled b - !true",
    "DeviceDataCtrlr ItemsPerMessage/GetReport i - !16",
    "DeviceDataCtrlr ItemsPerMessage/GetVariables i - !16",
    "DeviceDataCtrlr ItemsPerMessage/SetVariables i - !16",
    "EVSE AllowReset b - !false",
    "EVSE AvailabilityState O - @+ Available,Occupied,Reserved,Unavailable,Faulted",
    "EVSE Available b - !true",
    "EVSE Enabled b - @+",
    "EVSE Power d W @+ @",
    "EVSE Problem b - @+",
    "EVSE SupplyPhases i - @",
    "LocalAuthListCtrlr Available b - !true",
    "LocalAuthListCtrlr BytesPerMessage i B !16384",
    "LocalAuthListCtrlr DisablePostAuthorize b - =list_final",
    "LocalAuthListCtrlr Enabled b - =list",
    "LocalAuthListCtrlr Entries i - @ 1000",
    "LocalAuthListCtrlr ItemsPerMessage i - !50",
    "LocalAuthListCtrlr Storage i B @ 22022",
    "MonitoringCtrlr ActiveMonitoringBase O - =alert_base",
    "MonitoringCtrlr ActiveMonitoringLevel i - =alert_level",
    "MonitoringCtrlr Available b - !true",
    "MonitoringCtrlr BytesPerMessage/ClearVariableMonitoring i B !8192",
    "MonitoringCtrlr BytesPerMessage/SetVariableMonitoring i B !8192",
    "MonitoringCtrlr Enabled b - =alerts",
    "MonitoringCtrlr Entries i - @ 16",  # (monitors that are set, and how many can be)
    "MonitoringCtrlr ItemsPerMessage/ClearVariableMonitoring i - !16",
    "MonitoringCtrlr ItemsPerMessage/SetVariableMonitoring i - !16",
    "MonitoringCtrlr OfflineQueuingSeverity i - =alert_offline",
    "OCPPCommCtrlr ActiveNetworkProfile i - @+",
    "OCPPCommCtrlr Enabled b - !true",
    "OCPPCommCtrlr FileTransferProtocols M - !FTP,HTTP,HTTPS FTP,HTTP,HTTPS",
    "OCPPCommCtrlr HeartbeatInterval i s =heartbeat_s",
    "OCPPCommCtrlr MessageAttemptInterval/TransactionEvent i s =retry_s",
    "OCPPCommCtrlr MessageAttempts/TransactionEvent i - =attempts",
    "OCPPCommCtrlr MessageTimeout/Default i s @",
    "OCPPCommCtrlr NetworkConfigurationPriority Q - =slots 1,2,3,4",
    "OCPPCommCtrlr NetworkProfileConnectionAttempts i - =dial_attempts",
    "OCPPCommCtrlr OfflineThreshold i s =offline_s",
    "OCPPCommCtrlr ResetRetries i - =reset_retries",
    "OCPPCommCtrlr RetryBackOffRandomRange i s =backoff_random_s",
    "OCPPCommCtrlr RetryBackOffRepeatTimes i - =backoff_doublings",
    "OCPPCommCtrlr RetryBackOffWaitMinimum i s =backoff_s",
    "OCPPCommCtrlr UnlockOnEVSideDisconnect b - =unlock_unplugged",
    "OCPPCommCtrlr WebSocketPingInterval i s =ping_s",
    "PilotwireCtrlr AcceptKnownMeasurands b - =accept_known",  # ours, as in docs/configuration.md
    "PilotwireCtrlr CompositeScheduleLocalLimits b - =composite_local",
    "PilotwireCtrlr Enabled b - !true",
    "PilotwireCtrlr IncreaseDelay i s =rise_s",
    "PilotwireCtrlr MinimumPause i s =pause_s",
    "ReservationCtrlr Available b - !true",
    "ReservationCtrlr Enabled b - =reservable",
    "ReservationCtrlr NonEvseSpecific b - !true",
    "SampledDataCtrlr Available b - !true",
    "SampledDataCtrlr Enabled b - !true",
    "SampledDataCtrlr RegisterValuesWithoutPhases b - !true",  # (an energy is of all of them)
    "SampledDataCtrlr TxEndedInterval i s =stop_sample_s",
    "SampledDataCtrlr TxEndedMeasurands M - =stop_sampled",
    "SampledDataCtrlr TxStartedMeasurands M - =started",
    "SampledDataCtrlr TxUpdatedInterval i s =sample_s",
    "SampledDataCtrlr TxUpdatedMeasurands M - =sampled",
    "SecurityCtrlr AdditionalRootCertificateCheck b - =root_check",
    "SecurityCtrlr BasicAuthPassword s - =password",
    "SecurityCtrlr CertSigningRepeatTimes i - =sign_tries",
    "SecurityCtrlr CertSigningWaitMinimum i s =sign_s",
    "SecurityCtrlr CertificateEntries i - @ 11",  # (roots of two kinds, the unit's own)
    "SecurityCtrlr Enabled b - !true",
    "SecurityCtrlr Identity s - @",
    "SecurityCtrlr MaxCertificateChainSize i - !3000",
    "SecurityCtrlr OrganizationName s - =operator",
    "SecurityCtrlr SecurityProfile i - ~security",
    "SmartChargingCtrlr ACPhaseSwitchingSupported b - !false",  # (nothing here picks the phase)
    "SmartChargingCtrlr Available b - !true",
    "SmartChargingCtrlr ChargingProfilePersistence/ChargingStationExternalConstraints b - !true",
    "SmartChargingCtrlr Enabled b - !true",
    "SmartChargingCtrlr Entries/ChargingProfiles i - @+ 32",
    "SmartChargingCtrlr ExternalControlSignalsEnabled b - =outside",
    "SmartChargingCtrlr LimitChangeSignificance d Percent =significance_permille",
    "SmartChargingCtrlr MaxExternalConstraintsId i - !-1",
    "SmartChargingCtrlr NotifyChargingLimitWithSchedules b - =limit_schedules",
    "SmartChargingCtrlr PeriodsPerSchedule i - !96",
    "SmartChargingCtrlr Phases3to1 b - =phase_switching",
    "SmartChargingCtrlr ProfileStackLevel i - !15",
    "SmartChargingCtrlr RateUnit M - !A,W A,W",
    "TemperatureSensor Temperature d Celsius @+",
    "TxCtrlr EVConnectionTimeOut i s =wait_s",
    "TxCtrlr Enabled b - !true",
    "TxCtrlr MaxEnergyOnInvalidId i Wh =refused_Wh",
    "TxCtrlr StopTxOnEVSideDisconnect b - =stop_unplugged",
    "TxCtrlr StopTxOnInvalidId b - =stop_refused",
    "TxCtrlr TxBeforeAcceptedEnabled b - =unaccepted",
    "TxCtrlr TxStartPoint M - =tx_start",
    "TxCtrlr TxStopPoint M - =tx_stop",
)
_ACCESS = const(2)  # in a line of keys.py
_KIND = const(3)
_LEAST = const(5)
_PASSWORD = const("h")  # of its kinds
_NO_COMPONENT = const("UnknownComponent")
_NO_VARIABLE = const("UnknownVariable")


class Row:
    """A line of the table for one EVSE: `number`, or 0. name, instance (or ""), kind, unit, words:
    the values or the most, as the table has them."""

    def __init__(self, line, number):
        words = line.split(" ")
        self.number = number
        self.component, name, self.kind, self.unit, self.value = words[:5]
        self.name, _, self.instance = name.partition("/")
        self.words = words[5] if len(words) > 5 else ""

    def text(self):
        """component variable[/instance]"""
        return self.component + " " + self.name + ("/" + self.instance if self.instance else "")

    def names(self):
        """(ComponentType, VariableType)"""
        component, variable = {"name": self.component}, {"name": self.name}
        if self.number:
            component["evse"] = {"id": self.number}
            if self.component.startswith("Connector"):
                component["evse"]["connectorId"] = 1
        if self.instance:
            variable["instance"] = self.instance
        return component, variable


class Model:
    """The variables of `unit`, and what they are now. It holds what it needs of other modules."""

    def __init__(self, unit):
        self.unit, self.settings = unit, unit.settings
        self.keys, self.facts = self.settings.keys(), lazy.load("ocpp.v201.facts")

    def rows(self):
        """Generator: all Rows, one component after the other."""
        i = 0
        while i < len(_TABLE):
            name, n = _TABLE[i].split(" ")[0], i
            while n < len(_TABLE) and _TABLE[n].startswith(name + " "):
                n += 1
            for number in self._numbers(name):
                for line in _TABLE[i:n]:
                    yield Row(line, number)
            i = n

    def _numbers(self, name):  # of the EVSEs that have this component; 0: the station
        connectors = self.unit.station.connectors
        if name in ("EVSE", "Connector"):
            return [c.number for c in connectors]
        if name in ("ConnectorPlugRetentionLock", "TemperatureSensor"):
            return [c.number for c in connectors if (c.lock if name[0] == "C" else c.heat)]
        if name == "DataLink" and not self.settings.config.networks:
            return ()
        return (0,)

    def named(self, text, number):
        """The Row of that text(), which monitors are kept by; None: there is none any more."""
        for line in _TABLE:
            if line.startswith(text + " ") and number in self._numbers(text.split(" ")[0]):
                return Row(line, number)
        return None

    def find(self, component, variable):
        """The Row of these; or the status that says what is not there. (Names have no case.)"""
        evse, name = component.get("evse") or {}, component["name"].lower()
        number, inner = evse.get("id", 0), evse.get("connectorId")
        known = _NO_COMPONENT
        wrong = bool(evse) != bool(number) or inner != (
            1 if name.startswith("connector") else None
        )
        if component.get("instance") or wrong:
            return known
        wanted = variable["name"].lower(), (variable.get("instance") or "").lower()
        text = " " + "/".join(wanted).rstrip("/") + " "
        for line in _TABLE:
            at = len(name)
            if line[at : at + 1] == " " and line[:at].lower() == name:
                if known == _NO_COMPONENT and number not in self._numbers(line[:at]):
                    break
                known = _NO_VARIABLE
                row = line[at:].lower().startswith(text) and Row(line, number)
                if row and (row.name.lower(), row.instance.lower()) == wanted:
                    return row
        return known

    def setting(self, row):
        """The line of keys.py that stands behind a row, or None."""
        if row.value[0] not in "=~":
            return None
        return self.keys.named(row.value[1:], self.settings)

    def mutability(self, row):
        """MutabilityEnumType."""
        line = row.value[0] == "=" and self.setting(row)
        if not line or line[_ACCESS] in ("ro", "un"):
            return "ReadOnly"
        return "WriteOnly" if line[_KIND] == _PASSWORD else "ReadWrite"

    def text(self, row, attribute="Actual"):
        """What the attribute is now; None: the row has no such one."""
        if attribute == "MaxSet" and row.words == "@":
            return str(self.facts.most(self.unit, row))
        if attribute != "Actual":
            return None
        if row.value[0] == "!":
            return row.value[1:]
        if row.value[0] == "@":
            return self.facts.value(self.unit, row)
        return self.facts.said(
            self.settings, row, self.keys.text(self.setting(row), self.settings)
        )

    def characteristics(self, row):
        """VariableCharacteristicsType."""
        kinds = "boolean integer decimal string dateTime OptionList MemberList SequenceList"
        out = {
            "dataType": kinds.split(" ")["bidstOMQ".find(row.kind)],
            "supportsMonitoring": row.value[0] in "=~" or row.value == "@+",
        }
        if row.unit != "-":
            out["unit"] = row.unit
        line = self.setting(row)
        if row.words == "@":
            out["maxLimit"] = self.facts.most(self.unit, row)
        elif row.kind in "OMQ":
            out["valuesList"] = row.words or self.facts.values(self.settings, line)
        elif row.words:
            out["maxLimit"] = int(row.words)
        elif line and line[_KIND] == _PASSWORD:
            out["minLimit"], out["maxLimit"] = 16, 40
        elif line and line[_ACCESS] != "ro" and line[_KIND] in "idt":
            least, most = [int(n) for n in line[_LEAST:]]
            if row.kind == "d":  # (in tenths)
                least, most = least // 10, most // 10
            if row.kind != "s":
                out["minLimit"] = least
            out["maxLimit"] = most
        return out
