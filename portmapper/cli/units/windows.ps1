# Windows has no unit files. This script registers a task that starts portmapper with the computer, even if
# no user is logged in, and restarts it after a failure. Run the script in PowerShell as administrator.
# LOCAL SERVICE is an account with minimal rights. It must be able to read the list.

$action = New-ScheduledTaskAction -Execute '@PROGRAM@' -Argument '@ARGUMENTS@'
$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit 0 -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
New-Item -ItemType Directory -Force "$env:ProgramData\portmapper" | Out-Null
icacls "$env:ProgramData\portmapper" /grant '*S-1-5-19:(OI)(CI)M'
Register-ScheduledTask -TaskName portmapper -Action $action -Settings $settings -Trigger (New-ScheduledTaskTrigger -AtStartup) -User 'NT AUTHORITY\LOCAL SERVICE'
Start-ScheduledTask -TaskName portmapper

# Lets announcements of the gateway in. Without this rule, portmapper notices changes at the next interval.
New-NetFirewallRule -DisplayName portmapper -Direction Inbound -Protocol UDP -LocalPort 5350,1900 -RemoteAddress LocalSubnet -Action Allow

# To remove the task and the rule:
#   Unregister-ScheduledTask -TaskName portmapper
#   Remove-NetFirewallRule -DisplayName portmapper
