"""Parameters of the simulated tower: tenants and plant as numbers. Physics stands in tower.py."""

from pydantic import Field

from data_quality.contracts.model import Model


class TenantTruth(Model):
    """One tenant's floors: people by the clock, power by area and people."""

    area_m2: float = Field(gt=0)
    people: int = Field(ge=0, description="Who come on a full working day")
    base_w_per_m2: float = Field(ge=0, description="At all hours")
    desk_w_per_m2: float = Field(ge=0, description="With everybody there, without light")
    opens: float = Field(ge=0, lt=24, description="Local hour at which half are there")
    closes: float = Field(gt=0, le=24)
    free_day: float = Field(ge=0, le=1, description="People on weekends and holidays, share of a full working day")


class TowerTruth(Model):
    """The building. Powers in kW, thermal ones too; temperatures in degrees Celsius."""

    tenants: dict[str, TenantTruth] = {
        "lobby_retail": TenantTruth(
            area_m2=1100, people=60, base_w_per_m2=9, desk_w_per_m2=21, opens=8, closes=21, free_day=0.8
        ),
        "floors_02_04": TenantTruth(
            area_m2=3500, people=260, base_w_per_m2=2.8, desk_w_per_m2=10, opens=8.3, closes=17.8, free_day=0.02
        ),
        "floors_05_08": TenantTruth(
            area_m2=4700, people=360, base_w_per_m2=6.5, desk_w_per_m2=18, opens=7.2, closes=17.6, free_day=0.04
        ),
        "floors_09_12": TenantTruth(
            area_m2=4700, people=330, base_w_per_m2=2.4, desk_w_per_m2=9, opens=8.8, closes=20.2, free_day=0.15
        ),
        "floors_13_15": TenantTruth(
            area_m2=3500, people=310, base_w_per_m2=2.6, desk_w_per_m2=11, opens=8.9, closes=20.5, free_day=0.3
        ),
        "floors_16_18": TenantTruth(
            area_m2=3500, people=210, base_w_per_m2=4.2, desk_w_per_m2=14, opens=9.3, closes=19.0, free_day=0.08
        ),
        "floors_19_20": TenantTruth(
            area_m2=2300, people=120, base_w_per_m2=3.1, desk_w_per_m2=12, opens=8.0, closes=18.5, free_day=0.03
        ),
    }
    light_w_per_m2: float = Field(default=3.2, ge=0, description="With everybody there, at night")
    # Monday to Sunday: office attendance on working days; free days have their own share.
    weekday_share: tuple[float, float, float, float, float, float, float] = (0.84, 0.97, 1.0, 0.95, 0.68, 1.0, 1.0)

    mean_degc: float = 12.8
    season_k: float = 12.0

    balance_cooling_degc: float = 16.5
    balance_heating_degc: float = 14.0
    cooling_kw_per_k: float = Field(default=44.0, ge=0, description="Envelope and outdoor air, plant running")
    heating_kw_per_k: float = Field(default=36.0, ge=0)
    night_share: float = Field(default=0.45, ge=0, le=1, description="Of heating and cooling, plant in setback")
    gains_cooled: float = Field(default=0.62, ge=0, le=1, description="Tenants' power that the chiller takes away")
    gains_heating: float = Field(default=0.30, ge=0, le=1, description="Tenants' power that heats the floors")
    solar_cooling_kw: float = Field(default=170.0, ge=0, description="Through glass at 1,000 W/m2")
    chiller_cop: float = Field(default=6.2, gt=0, description="At 15 degrees outdoors")
    chiller_cop_per_k: float = -0.085
    steam_share: float = Field(default=0.58, ge=0, le=1, description="Of the heating: upper floors")
    steam_losses_kw: float = Field(default=5.0, ge=0)
    boiler_efficiency: float = Field(default=0.89, gt=0, le=1, description="On the upper calorific value")
    hot_water_kw: float = Field(default=4.0, ge=0, description="Circulation, at all hours")
    hot_water_kw_per_person: float = Field(default=0.018, ge=0)
    calorific_kwh_per_m3: float = Field(default=10.66, gt=0, description="Upper, at reference conditions")

    fans_low_kw: float = Field(default=46.0, ge=0)
    fans_high_kw: float = Field(default=58.0, ge=0)
    pumps_kw: float = Field(default=7.0, ge=0)
    pumps_kw_per_kw: float = Field(default=0.018, ge=0, description="Per kW of cooling")
    server_kw: float = Field(default=62.0, ge=0)
    server_growth: float = Field(default=0.04, description="Per year after 2024")
    landlord_kw: float = Field(default=17.0, ge=0)
    landlord_day_kw: float = Field(default=15.0, ge=0)
    facade_light_kw: float = Field(default=16.0, ge=0, description="From dusk to one hour after midnight")
    pv_peak_kw: float = Field(default=450.0, ge=0)
    pv_performance_ratio: float = Field(default=0.83, gt=0, le=1)
    rest_kw: float = Field(default=6.0, ge=0, description="Not sub-metered: meters, alarms, cleaners")
    rest_day_kw: float = Field(default=5.0, ge=0)
    transformer_kw: float = Field(default=1.4, ge=0, description="Losses without load")
    loss_share: float = Field(default=0.011, ge=0, description="Losses of cables and transformer, share of the load")

    water_m3_per_person_h: float = Field(default=0.0052, ge=0)
    water_m3_per_kwh: float = Field(default=0.0021, ge=0, description="Cooling tower, per kWh of chilled water")
    water_leak_m3_per_h: float = Field(default=0.03, ge=0)
