# Windows has no place to put a unit file: this registers a task that runs portmapper from the start of the
# computer, without anybody logged in, and starts it again when it fails. Run it in PowerShell as administrator.
# LOCAL SERVICE is an account with the least rights; it has to be able to read the list.

$action = New-ScheduledTaskAction -Execute '@PROGRAM@' -Argument '@ARGUMENTS@'
$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit 0 -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
New-Item -ItemType Directory -Force "$env:ProgramData\portmapper" | Out-Null
icacls "$env:ProgramData\portmapper" /grant '*S-1-5-19:(OI)(CI)M'
Register-ScheduledTask -TaskName portmapper -Action $action -Settings $settings -Trigger (New-ScheduledTaskTrigger -AtStartup) -User 'NT AUTHORITY\LOCAL SERVICE'
Start-ScheduledTask -TaskName portmapper

# Announcements of the gateway come from outside; without this rule they are found at the next interval.
New-NetFirewallRule -DisplayName portmapper -Direction Inbound -Protocol UDP -LocalPort 5350,1900 -RemoteAddress LocalSubnet -Action Allow

# To remove it:
#   Unregister-ScheduledTask -TaskName portmapper
#   Remove-NetFirewallRule -DisplayName portmapper
